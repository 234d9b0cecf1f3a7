import { fileURLToPath } from 'node:url';
import type { RunConfigInput } from '../../contracts/config.ts';

/** A run of seconds: a checkpoint with random weights on small patients; how many epochs decides how long it trains. */
export function faultyConfig(epochs: number, patients = 3, name = 'chaos'): RunConfigInput {
  return {
    name,
    source: { kind: 'phantom', patients, seed: 7 },
    dataset: {
      target: 'lungs',
      pattern: { image: '3d_images/IMG_{patient}.nii.gz', mask: '3d_images/MASK_{patient}.nii.gz' },
    },
    model: { checkpoint: fileURLToPath(new URL('../../test/fixtures/sam-tiny', import.meta.url)) },
    slices: { window: 'lung' },
    prompts: { automatic: 'lungs' },
    training: { epochs, patience: 0, batchBoxes: 2, learningRate: 1e-3, checkpointEverySteps: 5 },
  };
}

/** Epochs of a run that is disturbed once: some 150 checkpoints in some ten seconds of training. */
export const EPOCHS = 30;
