import { SplitInput, SplitResult } from '../contracts/stages.ts';
import { leakAudit, splitPatients } from '../lib/dataset/split.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';

const VERSION = 1;
const Result = SplitResult.omit({ reused: true, seconds: true });

/** Decides who trains, who validates and who tests, and proves that nobody does two of these. */
export const createSplit = ({ artifacts, compute }: ActivityDeps) =>
  activity(SplitInput, async ({ patients, split: setting }, { signal, by }): Promise<SplitResult> => {
    const { value, ...outcome } = await artifacts.memo({
      stage: 'split',
      version: VERSION,
      parameters: { setting, patients: patients.map(({ patient, split }) => ({ patient, split })) },
      inputs: patients.flatMap(({ volume, slices }) => [volume.sha256, slices.sha256]),
      schema: Result,
      signal,
      by,
      compute: async () => {
        // Ranked by the volume's content: neither the secret behind the keys nor the slicing moves a patient.
        const candidates = patients.map(({ patient, volume, split }) => ({ patient, digest: volume.sha256, split }));
        const split = splitPatients(candidates, setting);
        const audited = [];
        for (const { patient, slices } of patients) {
          const digests = await compute.run('digests', { slices: await artifacts.get(slices) }, signal);
          audited.push({ patient, digests });
        }
        const audit = leakAudit(split, audited);
        return { ...split, record: await artifacts.putJson('split', { setting, split, audit }) };
      },
    });
    return { ...value, ...outcome };
  });
