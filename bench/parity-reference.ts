import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../lib/fault.ts';
import { sizeOf } from '../lib/graph/index.ts';
import { decodeSafetensors, type SafeTensor, toFloat32 } from '../lib/safetensors.ts';
import { type FormulaTensor, formula, formulaTensors } from '../lib/sam/formula.ts';
import { readSamModel, type SamModel } from '../lib/sam/model.ts';
import type { OptimiserSettings } from '../lib/training/optimiser.ts';

/** A tensor as it is fed: float32, in C order. */
export interface Plain {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** What an output must be: all of its values, or those at some flat indices. */
export interface Expectation extends Plain {
  readonly indices: readonly number[] | null;
  /** Population standard deviation of the whole output. */
  readonly deviation: number;
}

export interface ReferenceRun {
  readonly name: string;
  readonly optimiser: OptimiserSettings;
  readonly losses: readonly number[];
  /** Final weights by parameter name, where they were stored. */
  readonly final: ReadonlyMap<string, Float32Array> | null;
}

/** Values that another implementation computed: a model, inputs, outputs, and a training. */
export interface Reference {
  readonly model: SamModel;
  readonly pixels: Plain;
  /** Embeddings to feed the decoder with; null where only a sample was stored, so that ours have to do. */
  readonly embeddings: Plain | null;
  readonly outputs: ReadonlyMap<string, Expectation>;
  /** Prompts by case and kind, e.g. `box3.input_boxes`. */
  readonly prompts: ReadonlyMap<string, Plain>;
  readonly target: Plain;
  readonly learningRate: number;
  readonly runs: readonly ReferenceRun[];
  readonly gradients: ReadonlyMap<string, Float32Array> | null;
  readonly tolerance: { readonly output: number; readonly loss: number };
}

const PREFIX = 'mask_decoder.';

/** Reads a folder laid out like golden/sam-tiny (everything stored) or like golden/sam-base (formulas and samples). */
export async function readReference(folder: string): Promise<Reference> {
  const isSampled = await readFile(join(folder, 'weights.json')).then(
    () => true,
    () => false,
  );
  return isSampled ? readSampled(folder) : readStored(folder);
}

/** The two optimisers of sam-tiny's `trajectory.json`, as its note states them. */
const OPTIMISERS: Readonly<Record<string, OptimiserSettings>> = {
  adam: { kind: 'adam', weightDecay: 0, clipNorm: 0 },
  adamw_clip: { kind: 'adamw', weightDecay: 0.05, clipNorm: 0.1 },
};

async function readStored(folder: string): Promise<Reference> {
  const tensors = async (name: string) => decodeSafetensors(await readPart(folder, name), name).tensors;
  const expected = await tensors('expected.safetensors');
  const training = await tensors('training.safetensors');
  const trajectory = (await readJson(folder, 'trajectory.json')) as Record<string, { losses: number[] }>;
  const stored = (prefix: string) =>
    new Map(
      [...training]
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, tensor]) => [PREFIX + name.slice(prefix.length), toFloat32(tensor)]),
    );
  const model = readSamModel({
    config: await readJson(folder, 'config.json'),
    preprocessor: null,
    tensors: await tensors('model.safetensors'),
  });
  return {
    model,
    pixels: plain(expected.get('pixel_values')!),
    embeddings: plain(expected.get('image_embeddings')!),
    ...sortOut([...expected].map(([name, tensor]) => [name, whole(plain(tensor))])),
    target: plain(training.get('gt')!),
    learningRate: 1e-3,
    runs: Object.entries(OPTIMISERS).map(([name, optimiser]) => ({
      ...{ name, optimiser },
      losses: trajectory[`${name}.f64`]!.losses,
      final: stored(`final.${name}.`),
    })),
    gradients: stored('grad0.'),
    tolerance: { output: 1e-4, loss: 1e-4 },
  };
}

interface Sampled {
  readonly shape: number[];
  readonly std: number;
  readonly sample_index: number[];
  readonly sample: number[];
}

async function readSampled(folder: string): Promise<Reference> {
  const weights = (await readJson(folder, 'weights.json')) as FormulaTensor[];
  const expected = (await readJson(folder, 'expected.json')) as Record<string, Sampled>;
  const trajectory = (await readJson(folder, 'trajectory.json')) as { losses: number[]; lr: number };
  const model = readSamModel({
    config: await readJson(folder, 'config.json'),
    preprocessor: null,
    tensors: formulaTensors(weights),
  });
  const { imageSize, maskSize } = model.config;
  const pixels = [1, 3, imageSize, imageSize];
  const target = formula('mask_gt', maskSize ** 2, 1).map((value) => (value > 0.3 ? 1 : 0));
  return {
    model,
    pixels: { shape: pixels, values: formula('pixel_values', sizeOf(pixels), 2) },
    embeddings: null,
    ...sortOut(
      Object.entries(expected).map(([name, { shape, std, sample_index: indices, sample }]) => [
        name,
        { shape, deviation: std, indices, values: Float32Array.from(sample) },
      ]),
    ),
    target: { shape: [1, 1, maskSize, maskSize], values: target },
    learningRate: trajectory.lr,
    runs: [{ name: 'adam', optimiser: OPTIMISERS.adam!, losses: trajectory.losses, final: null }],
    gradients: null,
    tolerance: { output: 1e-3, loss: 1e-3 },
  };
}

/** Stored inputs stand among the outputs, as `<case>.input_<kind>`. */
function sortOut(entries: readonly (readonly [string, Expectation])[]): Pick<Reference, 'outputs' | 'prompts'> {
  const isInput = (name: string) => name.includes('.input_') || name === 'pixel_values';
  return {
    outputs: new Map(entries.filter(([name]) => !isInput(name))),
    prompts: new Map(
      entries.filter(([name]) => name.includes('.input_')).map(([name, value]) => [name, complete(value)]),
    ),
  };
}

/** A prompt is small: its sample holds every value, many of them several times. */
function complete({ shape, values, indices }: Expectation): Plain {
  if (!indices) return { shape, values };
  const all = new Float32Array(sizeOf(shape)).fill(Number.NaN);
  for (const [i, index] of indices.entries()) all[index] = values[i]!;
  return { shape, values: all };
}

const plain = (tensor: SafeTensor): Plain => ({ shape: tensor.shape, values: toFloat32(tensor) });

function whole({ shape, values }: Plain): Expectation {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((total, x) => total + (x - mean) ** 2, 0) / values.length;
  return { shape, values, indices: null, deviation: Math.sqrt(variance) };
}

const readJson = async (folder: string, name: string): Promise<unknown> =>
  JSON.parse(new TextDecoder().decode(await readPart(folder, name)));

async function readPart(folder: string, name: string): Promise<Uint8Array> {
  try {
    return await readFile(join(folder, name));
  } catch (cause) {
    throw new Fault(
      'PARITY_FILE_MISSING',
      {
        at: name,
        found: 'no such file',
        expected: 'a folder laid out like golden/sam-tiny or golden/sam-base',
        fix: 'Name the folder with the reference values',
      },
      { cause },
    );
  }
}
