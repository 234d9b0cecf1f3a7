import { z } from 'zod';
import { ArtifactRef } from './artifact.ts';

/** A link in a training's chain of checkpoints, as it lies in the store: activities/checkpoint-chain.ts says how it grows. */
export const ChainStep = z.strictObject({
  step: z.int().nonnegative(),
  /** Whole epochs, scored, that the checkpoint holds. */
  epochs: z.int().nonnegative(),
  /** Step of the checkpoint that this one goes on from; null for the first. */
  parent: z.int().nonnegative().nullable(),
  /** SHA-256 of that step's file. */
  parentSha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
  fence: z.int().positive(),
  checkpoint: ArtifactRef,
});
export type ChainStep = z.infer<typeof ChainStep>;
