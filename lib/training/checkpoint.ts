import { z } from 'zod';
import { Fault } from '../fault.ts';
import { decodeSafetensors, encodeSafetensors, f32, readSafetensorsHeader } from '../safetensors.ts';
import type { OptimiserState } from './optimiser.ts';

const EpochFigures = z.object({
  epoch: z.int(),
  trainLoss: z.number(),
  valLoss: z.number(),
  valDice: z.number(),
  learningRate: z.number(),
});
export type EpochFigures = Readonly<z.infer<typeof EpochFigures>>;

/** Scores of the weights that a run starts with: what every epoch has to beat. */
const StartFigures = z.object({ valLoss: z.number(), valDice: z.number() });
export type StartFigures = Readonly<z.infer<typeof StartFigures>>;

/** Where a run stands after `step` steps; with the state below, all that the rest of the run depends on. */
const Progress = z.object({
  step: z.int(),
  /** Sum of the losses of the current epoch's steps. */
  epochLoss: z.number(),
  /** Null until it was scored, before the first step. */
  start: StartFigures.nullable(),
  epochs: z.array(EpochFigures).readonly(),
  /** 0 while no epoch was better than the start. */
  bestEpoch: z.int(),
  bestValLoss: z.number(),
});
export type Progress = Readonly<z.infer<typeof Progress>>;

export interface Checkpoint {
  readonly progress: Progress;
  readonly state: OptimiserState;
  /** Weights of the best epoch so far. */
  readonly best: Float32Array;
}

/** A checkpoint as safetensors; numbers in the metadata are JSON, which gives back the same doubles. */
export function encodeTrainingCheckpoint({ progress, state, best }: Checkpoint): Uint8Array {
  const { weights, first, second, sum } = state;
  const vectors = { weights, first, second, ...(sum && { sum }), best };
  const tensors = Object.entries(vectors).map(([name, data]) => {
    return [name, { dtype: 'F32' as const, shape: [data.length], data }] as const;
  });
  // In the schema's order, whoever made the object: the same progress gives the same bytes.
  return encodeSafetensors(tensors, { progress: JSON.stringify(Progress.parse(progress)) });
}

/** Throws CHECKPOINT_MISMATCH where it is not the checkpoint of a run with so many parameters. */
export function decodeTrainingCheckpoint(bytes: Uint8Array, parameters: number): Checkpoint {
  const { tensors, metadata } = decodeSafetensors(bytes, 'checkpoint');
  const vector = (name: string): Float32Array => {
    const tensor = tensors.get(name);
    if (tensor?.dtype === 'F32' && tensor.shape[0] === parameters) return f32(tensor);
    const found = tensor ? `${tensor.shape[0]} values of type ${tensor.dtype}` : 'no such tensor';
    throw mismatch(name, found, `${parameters} values of type F32`);
  };
  return {
    progress: readProgress(metadata.progress),
    state: {
      ...{ weights: vector('weights'), first: vector('first'), second: vector('second') },
      ...(tensors.has('sum') && { sum: vector('sum') }),
    },
    best: vector('best'),
  };
}

/** Where a run stood at a checkpoint, by its header alone. Throws CHECKPOINT_MISMATCH and those of safetensors. */
export async function readCheckpointProgress(
  read: (from: number, to: number) => Promise<Uint8Array>,
  fileBytes: number,
): Promise<Progress> {
  return readProgress((await readSafetensorsHeader(read, fileBytes, 'checkpoint')).metadata.progress);
}

function readProgress(text: string | undefined): Progress {
  try {
    return Progress.parse(JSON.parse(text ?? ''));
  } catch {
    throw mismatch('progress', 'no figures of a training', 'the figures that a training writes');
  }
}

function mismatch(at: string, found: string, expected: string): Fault {
  const fix = 'Start the run again without this checkpoint';
  return new Fault('CHECKPOINT_MISMATCH', { at: `checkpoint, ${at}`, found, expected, fix });
}
