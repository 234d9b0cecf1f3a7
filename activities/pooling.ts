import type { CrossValidation, FoldRun } from '../contracts/cross-validation.ts';
import type { Evaluation, Overlap, Parts } from '../contracts/stages.ts';
import { Fault } from '../lib/fault.ts';
import { meanOf } from '../lib/metrics/statistics.ts';

/** A fold's run with what its split record says. */
export type DividedFold = Omit<FoldRun, 'split'> & Parts;

type Pooled = Pick<CrossValidation, 'zeroShot' | 'fineTuned' | 'patients' | 'folds' | 'setting' | 'structures'>;

/**
 * The scores of all folds as those of one test: every patient once, by the model that never saw it.
 * Fault FOLDS_DIFFER where the folds were not cut from the same patients.
 */
export function poolFolds(runs: readonly DividedFold[], evaluations: readonly Evaluation[]): Pooled {
  refuseUnlike(runs);
  const volumes = evaluations.map(({ volumes }) => volumes!);
  // Where one fold's masks are post-processed, those of a fold that chose nothing count as they are.
  const isCleaned = volumes.some(({ postProcess }) => postProcess.rule !== null);
  const patients = evaluations.flatMap((evaluation, at) =>
    evaluation.patients.map(({ patient, zeroShot, fineTuned, structures }) => ({
      ...{ patient, fold: at + 1, zeroShot, fineTuned },
      automatic: runs[at]!.automatic.find((mask) => mask.patient === patient)?.overlap ?? null,
      structures: structures!.map((scores) => ({
        ...scores,
        postProcessed: scores.postProcessed ?? (isCleaned ? scores.fineTuned : null),
      })),
    })),
  );
  const folds = runs.map(({ automatic, ...run }, at) => {
    const { zeroShot, fineTuned } = evaluations[at]!;
    return { ...run, zeroShot, fineTuned, postProcess: volumes[at]!.postProcess.rule };
  });
  const { setting, structures } = volumes[0]!;
  return {
    zeroShot: meanOverlap(patients.map(({ zeroShot }) => zeroShot)),
    fineTuned: meanOverlap(patients.map(({ fineTuned }) => fineTuned)),
    ...{ patients, folds, setting, structures },
  };
}

/** The source may have changed between two folds; then one patient may have been tested twice, and another never. */
function refuseUnlike(runs: readonly DividedFold[]): void {
  const all = ({ train, val, test }: Parts): string => [...train, ...val, ...test].sort().join();
  const tested = runs
    .flatMap(({ test }) => test)
    .sort()
    .join();
  for (const [at, run] of runs.entries()) {
    if (all(run) === tested) continue;
    throw new Fault('FOLDS_DIFFER', {
      at: `fold ${at + 1}`,
      found: 'other patients than the folds have tested',
      expected: 'the same patients in all folds, each tested once',
      fix: 'Start it again when the data no longer change',
    });
  }
}

/** Each patient counts once, however large its fold. */
const meanOverlap = (scores: readonly Overlap[]): Overlap => ({
  dice: meanOf(scores.map(({ dice }) => dice)),
  iou: meanOf(scores.map(({ iou }) => iou)),
});
