import { Fault } from '../fault.ts';
import { decodeSafetensors, encodeSafetensors, f32 } from '../safetensors.ts';
import type { TrainingState } from './step.ts';

export interface EpochFigures {
  readonly epoch: number;
  readonly trainLoss: number;
  readonly valLoss: number;
  readonly valDice: number;
  readonly learningRate: number;
}

/** Scores of the weights that a run starts with: what every epoch has to beat. */
export interface StartFigures {
  readonly valLoss: number;
  readonly valDice: number;
}

/** Where a run stands after `step` steps; with the state below, all that the rest of the run depends on. */
export interface Progress {
  readonly step: number;
  /** Sum of the losses of the current epoch's steps. */
  readonly epochLoss: number;
  /** Null until it was scored, before the first step. */
  readonly start: StartFigures | null;
  readonly epochs: readonly EpochFigures[];
  /** 0 while no epoch was better than the start. */
  readonly bestEpoch: number;
  readonly bestValLoss: number;
}

export interface Checkpoint {
  readonly progress: Progress;
  readonly state: TrainingState;
  /** Weights of the best epoch so far. */
  readonly best: Float32Array;
}

/** A checkpoint as safetensors; numbers in the metadata are JSON, which gives back the same doubles. */
export function encodeTrainingCheckpoint({ progress, state, best }: Checkpoint): Uint8Array {
  const vectors: Record<string, Float32Array> = { ...state, best };
  const tensors = Object.entries(vectors).map(
    ([name, data]) => [name, { dtype: 'F32', shape: [data.length], data }] as const,
  );
  return encodeSafetensors(tensors as never, { progress: JSON.stringify(progress) });
}

/** Throws CHECKPOINT_MISMATCH where the checkpoint is of a run with other parameters. */
export function decodeTrainingCheckpoint(bytes: Uint8Array, parameters: number): Checkpoint {
  const { tensors, metadata } = decodeSafetensors(bytes, 'checkpoint');
  const vector = (name: string): Float32Array => {
    const tensor = tensors.get(name);
    if (tensor?.shape[0] !== parameters) {
      throw new Fault('CHECKPOINT_MISMATCH', {
        at: `checkpoint, ${name}`,
        found: tensor ? `${tensor.shape[0]} values` : 'no such tensor',
        expected: `${parameters} values`,
        fix: 'Start the run again without this checkpoint',
      });
    }
    return f32(tensor);
  };
  return {
    progress: JSON.parse(metadata.progress ?? '') as Progress,
    state: {
      ...{ weights: vector('weights'), first: vector('first'), second: vector('second') },
      ...(tensors.has('sum') && { sum: vector('sum') }),
    },
    best: vector('best'),
  };
}
