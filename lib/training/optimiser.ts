import { readFileSync } from 'node:fs';
import type { Fold } from '../runtime/session.ts';
import { float32 } from '../runtime/tensor.ts';

export interface OptimiserSettings {
  readonly kind: 'adam' | 'adamw';
  readonly weightDecay: number;
  /** Largest global gradient norm; 0 turns clipping off. */
  readonly clipNorm: number;
}

/** PyTorch's defaults, which every published recipe for SAM leaves alone. */
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** What differs from update to update. */
export type UpdateNumbers = {
  /** With a and b for the bias corrections and the learning rate, lr m̂ / (√v̂ + ε) = first / (a √second + b). */
  readonly a: number;
  readonly b: number;
  /** AdamW's decoupled decay: weights are multiplied by it. */
  readonly shrink: number;
  /** Adam's L2 term: so much of the weights is added to their gradient. */
  readonly decay: number;
  readonly clipNorm: number;
  /** Passes whose gradients the update takes the mean of; 0 where this pass only adds to them. */
  readonly passes: number;
};

/** The numbers of update number `step` (from 1). */
export function updateNumbers(
  step: number,
  learningRate: number,
  { kind, weightDecay, clipNorm }: OptimiserSettings,
  passes = 1,
): UpdateNumbers {
  const correction1 = (1 - BETA1 ** step) / (1 - BETA1);
  const correction2 = (1 - BETA2 ** step) / (1 - BETA2);
  const a = correction1 / learningRate / Math.sqrt(correction2);
  const b = (correction1 / learningRate) * EPSILON;
  const isDecoupled = kind === 'adamw';
  return {
    ...{ a, b, clipNorm, passes },
    shrink: isDecoupled ? 1 - learningRate * weightDecay : 1,
    decay: isDecoupled ? 0 : weightDecay,
  };
}

/** What is learned and what the optimiser remembers of it, as flat vectors [P]; an update changes them in place. */
export interface OptimiserState {
  readonly weights: Float32Array;
  /** Σ β₁ᵏ g: Adam's first moment without its factor 1 - β₁. */
  readonly first: Float32Array;
  /** Σ β₂ᵏ g²: Adam's second moment without its factor 1 - β₂. */
  readonly second: Float32Array;
  /** Gradients of passes since the last update, where several make one. */
  readonly sum?: Float32Array | undefined;
}

export interface Updated {
  /** L2 norm of the gradient before clipping; null where nothing is clipped. */
  readonly norm: number | null;
  /** Whether every new value is a finite number. */
  readonly isSound: boolean;
}

/**
 * One step of Adam or AdamW (torch.optim) after clip_grad_norm_. One pass over the memory, outside the model: a runtime would
 * take ten, and move weights and moments there and back.
 */
export function update(
  state: OptimiserState,
  gradient: Float32Array,
  { clipNorm, passes, ...numbers }: UpdateNumbers,
): Updated {
  const { sum } = state;
  if (sum) for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + gradient[i]!;
  if (passes === 0) return { norm: null, isSound: true };
  const total = sum ?? gradient;
  const norm = clipNorm > 0 ? normOf(total) / passes : null;
  const clip = norm === null ? 1 : Math.min(1, clipNorm / (norm + 1e-6));
  const isSound = adam(state, total, clip / passes, numbers);
  sum?.fill(0);
  return { norm, isSound };
}

function normOf(vector: Float32Array): number {
  // Four sums, so that an addition need not wait for the one before it.
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = vector.length - (vector.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a += vector[i]! * vector[i]!;
    b += vector[i + 1]! * vector[i + 1]!;
    c += vector[i + 2]! * vector[i + 2]!;
    d += vector[i + 3]! * vector[i + 3]!;
  }
  for (let i = whole; i < vector.length; i++) a += vector[i]! * vector[i]!;
  return Math.sqrt(a + b + c + d);
}

/** Of each vector, what the kernel works on at a time: four such pieces stay in a core's cache. */
const PIECE = 2 ** 15;

/** As much as we need of it: Node has it, its types leave it to the browser's. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** adam.wat, assembled: JavaScript has no arithmetic on several numbers at once, and takes three times as long. */
const KERNEL = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(new URL('./adam.wasm', import.meta.url))))
  .exports as {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly adam: (count: number, share: number, decay: number, shrink: number, a: number, b: number) => number;
};
const PIECES = [0, 1, 2, 3].map((at) => new Float32Array(KERNEL.memory.buffer, 4 * at * PIECE, PIECE));

/** True where every new number is finite. */
function adam(
  { weights, first, second }: OptimiserState,
  gradient: Float32Array,
  share: number,
  { a, b, shrink, decay }: Omit<UpdateNumbers, 'clipNorm' | 'passes'>,
): boolean {
  const vectors = [weights, first, second, gradient];
  let isSound = true;
  for (let from = 0; from < weights.length; from += PIECE) {
    const count = Math.min(PIECE, weights.length - from);
    for (const [at, vector] of vectors.entries()) PIECES[at]!.fill(0, count).set(vector.subarray(from, from + count));
    isSound = KERNEL.adam(Math.ceil(count / 4) * 4, share, decay, shrink, a, b) === 1 && isSound;
    for (const at of [0, 1, 2]) vectors[at]!.set(PIECES[at]!.subarray(0, count), from);
  }
  return isSound;
}

/** The update as work of a session's thread: takes the model's `gradient`, changes the kept vectors. */
export const fold: Fold<UpdateNumbers> = (kept, { gradient }, numbers) => {
  const vector = (name: string) => kept.get(name)?.data as Float32Array | undefined;
  const state = { weights: vector('weights')!, first: vector('first')!, second: vector('second')! };
  const updated = update({ ...state, sum: vector('sum') }, gradient!.data as Float32Array, numbers);
  const figure = (value: number) => float32(Float32Array.of(value), []);
  const norm = updated.norm === null ? {} : { norm: figure(updated.norm) };
  return { ...norm, isSound: figure(Number(updated.isSound)) };
};
