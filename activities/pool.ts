import { type CrossValidation, PoolInput, PoolResult } from '../contracts/cross-validation.ts';
import { Evaluation, SplitRecord } from '../contracts/stages.ts';
import { sampleNote } from '../lib/metrics/compare.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';
import { type DividedFold, poolFolds } from './pooling.ts';

const VERSION = 1;
const Result = PoolResult.omit({ reused: true, seconds: true });

/** The folds of a cross-validation as one test over all patients, with a report of its own. */
export const createPool = ({ artifacts, compute }: ActivityDeps) =>
  activity(PoolInput, async (input, { signal }): Promise<PoolResult> => {
    const { value, reused, seconds } = await artifacts.memo({
      stage: 'pool',
      version: VERSION,
      parameters: input,
      inputs: input.folds.flatMap(({ split, evaluation }) => [split.sha256, evaluation.sha256]),
      schema: Result,
      signal,
      compute: async () => {
        const folds: DividedFold[] = [];
        const evaluations: Evaluation[] = [];
        for (const { split, ...fold } of input.folds) {
          folds.push({ ...fold, ...(await artifacts.getJson(split, SplitRecord)).split });
          evaluations.push(await artifacts.getJson(fold.evaluation, Evaluation));
        }
        const pooled = poolFolds(folds, evaluations);
        const { zeroShot, fineTuned, structures, setting } = pooled;
        const scored = { patients: pooled.patients.map((patient) => patient.structures), structures, setting };
        const summaries = await compute.run('summarise', scored, signal);
        const note = sampleNote(pooled.patients.length);
        const all: CrossValidation = { prompts: 'oracle', ...pooled, summaries, note };
        const crossValidation = await artifacts.putJson('cross-validation', all);
        const { title, run, target, settings } = input;
        const createdFrom = { name: 'cross-validation', sha256: crossValidation.sha256 };
        const data = { ...all, title, run, target, settings, createdFrom };
        const html = await compute.run('crossValidationReport', data, signal);
        const report = await artifacts.put('report', html, 'text/html; charset=utf-8');
        return { crossValidation, report, metrics: { zeroShot, fineTuned }, summaries };
      },
    });
    return { ...value, reused, seconds };
  });
