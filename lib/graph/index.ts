/** The graph's public face: values, builders, evaluation, verification, printing. */

export * from './evaluate.ts';
export * from './few-buffers.ts';
export * from './node.ts';
export * from './ops/elementwise.ts';
export * from './ops/layout.ts';
export * from './ops/matrix.ts';
export * from './ops/normalise.ts';
export * from './ops/quantised.ts';
export * from './ops/reduce.ts';
export * from './ops/source.ts';
export * from './precision.ts';
export * from './print.ts';
export * from './rewrite.ts';
export * from './rounding.ts';
export * from './shape.ts';
export * from './verify.ts';
