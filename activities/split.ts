import { SplitInput, type SplitRecord, SplitResult } from '../contracts/stages.ts';
import { leakAudit } from '../lib/dataset/leak-audit.ts';
import { splitPatients } from '../lib/dataset/split.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';

const VERSION = 2;
const Result = SplitResult.omit({ reused: true, seconds: true });

/** Decides who trains, who validates and who tests, and proves that nobody does two of these. */
export const createSplit = ({ artifacts, compute }: ActivityDeps) =>
  activity(SplitInput, async ({ patients, split: setting }, { signal }): Promise<SplitResult> => {
    const { value, reused, seconds } = await artifacts.memo({
      stage: 'split',
      version: VERSION,
      parameters: { setting, patients: patients.map(({ slices, ...patient }) => patient) },
      inputs: patients.map(({ slices }) => slices.sha256),
      schema: Result,
      signal,
      compute: async () => {
        const split = splitPatients(patients, setting);
        const audited = [];
        for (const { patient, slices } of patients) {
          const digests = await compute.run('digests', { slices: await artifacts.get(slices) }, signal);
          audited.push({ patient, digests });
        }
        const audit = leakAudit(split, audited);
        return { ...split, record: await artifacts.putJson('split', { setting, split, audit } satisfies SplitRecord) };
      },
    });
    return { ...value, reused, seconds };
  });
