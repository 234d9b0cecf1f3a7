import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { prepareRun } from '../cli/config/prepare.ts';
import { wholeNumber, withProof } from '../cli/resume-proof/with-proof.ts';
import { tellError } from '../cli/tell-error.ts';
import { RunConfig, type RunConfigInput } from '../contracts/config.ts';

/**
 * Kills the gpu worker of a small run so many times, and compares what comes out with a run that nobody touched:
 *
 *     npm run chaos -- --kills 50 [--seed S] [--json]
 *
 * The seed decides when; without one it is drawn, and printed. Exit code 1 where anything differs.
 */

/** A run of seconds: a checkpoint with random weights on three small patients, with steps enough for every kill to fall on others. */
export function chaosConfig(kills: number): RunConfigInput {
  return {
    name: 'chaos',
    source: { kind: 'phantom', patients: 3, seed: 7 },
    dataset: {
      target: 'lungs',
      pattern: { image: '3d_images/IMG_{patient}.nii.gz', mask: '3d_images/MASK_{patient}.nii.gz' },
    },
    model: { checkpoint: fileURLToPath(new URL('../test/fixtures/sam-tiny', import.meta.url)) },
    slices: { window: 'lung' },
    prompts: { automatic: 'lungs' },
    training: { epochs: 10 + 4 * kills, patience: 0, batchBoxes: 2, learningRate: 1e-3, checkpointEverySteps: 5 },
  };
}

async function chaos(): Promise<number> {
  const { values } = parseArgs({
    options: { kills: { type: 'string', default: '50' }, seed: { type: 'string' }, json: { type: 'boolean' } },
  });
  const kills = wholeNumber('--kills', values.kills, 1);
  const seed = values.seed === undefined ? undefined : wholeNumber('--seed', values.seed);
  const prepared = await prepareRun(RunConfig.parse(chaosConfig(kills)));
  return withProof(prepared, { kills, ends: Math.ceil(kills / 10), seed, json: values.json });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await chaos().catch((error) => tellError(error, process.argv.includes('--json')));
}
