import { z } from 'zod';
import { Fault } from '../fault.ts';
import { decodeSafetensors, encodeSafetensors, f32 } from '../safetensors.ts';
import type { SamConfig } from '../sam/config.ts';
import type { BoxMode, BoxRule } from './proposer-boxes.ts';
import { type HeadShape, headParameters, MEASURED } from './proposer-head.ts';
import { packFlat, unpackFlat } from './step.ts';

/** Raised whenever the head or its feeds change. */
const FORMAT = 1;

/** What of a model decides the head's shape. */
export type ModelGeometry = Pick<SamConfig, 'grid'> & { readonly decoder: Pick<SamConfig['decoder'], 'hidden_size'> };

export interface ProposerContent {
  readonly shape: HeadShape;
  /** The learned parameters, flat. */
  readonly weights: Float32Array;
  /** `mean` and `deviation` of each channel. */
  readonly measured: ReadonlyMap<string, Float32Array>;
  /** By structure. */
  readonly rules: readonly BoxRule[];
  /** What a box was in the training. */
  readonly mode: BoxMode;
}

const Description = z.strictObject({
  format: z.literal(FORMAT),
  channels: z.int().positive(),
  grid: z.int().positive(),
  structures: z.int().positive(),
  rules: z.array(z.strictObject({ threshold: z.number().min(0).max(1), margin: z.number().min(0) })),
  mode: z.strictObject({ box: z.enum(['component', 'label']), minComponentPixels: z.int().min(1) }),
});

/** A proposer as safetensors: the head's parameters by name, and the rest as JSON in the metadata. */
export function encodeProposer({ shape, weights, measured, rules, mode }: ProposerContent): Uint8Array {
  const { layout, shapes } = headParameters(shape);
  const tensors = [...unpackFlat(layout, weights), ...measured].map(([name, data]) => {
    return [name, { dtype: 'F32' as const, shape: shapes.get(name)!, data }] as const;
  });
  const { box, minComponentPixels } = mode;
  const description = { format: FORMAT, ...shape, rules, mode: { box, minComponentPixels } };
  // In the schema's order, whoever made the objects: the same proposer gives the same bytes.
  return encodeSafetensors(tensors, { proposer: JSON.stringify(Description.parse(description)) });
}

/** Throws PROPOSER_MISMATCH where it is not a proposer for this model. */
export function decodeProposer(bytes: Uint8Array, geometry: ModelGeometry): ProposerContent {
  const { tensors, metadata } = decodeSafetensors(bytes, 'proposer');
  const { channels, grid, structures, rules, mode } = describe(metadata.proposer);
  const expected = { channels: geometry.decoder.hidden_size, grid: geometry.grid };
  if (channels !== expected.channels || grid !== expected.grid) {
    const embedding = (of: typeof expected) =>
      `embeddings of ${of.channels} channels and ${of.grid} x ${of.grid} cells`;
    throw mismatch(embedding({ channels, grid }), embedding(expected));
  }
  const shape = { channels, grid, structures };
  if (rules.length !== structures) throw mismatch(`rules for ${rules.length} structures`, String(structures));
  const { layout, shapes } = headParameters(shape);
  const read = (name: string) => {
    const tensor = tensors.get(name);
    if (tensor?.dtype === 'F32' && String(tensor.shape) === String(shapes.get(name))) return f32(tensor);
    throw mismatch(tensor ? `${name} of shape [${tensor.shape}]` : `no ${name}`, `shape [${shapes.get(name)}]`);
  };
  const named = new Map([...shapes.keys()].map((name) => [name, read(name)]));
  const measured = new Map(MEASURED.map((name) => [name, named.get(name)!]));
  return { shape, weights: packFlat(layout, named), measured, rules, mode };
}

function describe(text: string | undefined): z.infer<typeof Description> {
  try {
    return Description.parse(JSON.parse(text ?? ''));
  } catch {
    throw mismatch('no description that this version reads', `one of format ${FORMAT}`);
  }
}

const mismatch = (found: string, expected: string): Fault =>
  new Fault('PROPOSER_MISMATCH', {
    at: 'proposer',
    found,
    expected,
    fix: 'Fine-tune again: the proposer is trained with the model',
  });
