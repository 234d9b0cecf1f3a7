import { z } from 'zod';
import { MemoKey } from './memo.ts';

/** Where a training goes on from the checkpoint of another one. */
export const Branch = z.strictObject({
  /** The other training's result. */
  of: MemoKey,
  /** Its checkpoint at the end of this epoch, from 1. */
  epoch: z.int().positive(),
});
export type Branch = z.infer<typeof Branch>;

/**
 * Keys of `training` that may be others in a branch: they say how far a step goes and when the training ends. What is trained,
 * on which batches and by which loss is in the checkpoint's weights, moments, losses and step count already.
 */
export const BRANCH_SETTINGS = [
  'learningRate',
  'schedule',
  'warmupSteps',
  'weightDecay',
  'clipNorm',
  'epochs',
  'patience',
  'checkpointEverySteps',
] as const;
