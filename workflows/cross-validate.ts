import {
  ApplicationFailure,
  ChildWorkflowCancellationType,
  isCancellation,
  TemporalFailure,
  workflowInfo,
} from '@temporalio/workflow';
import type { CrossValidationInput, CrossValidationResult, FoldRun } from '../contracts/cross-validation.ts';
import type { RunLineage } from '../contracts/lineage.ts';
import { foldWorkflowId } from '../contracts/messages.ts';
import type { PipelineInput, PipelineResult } from '../contracts/pipeline.ts';
import { withAccount } from './account.ts';
import { type Board, openBoard } from './board.ts';
import { type Lineage, openLineage } from './lineage.ts';
import { mapBounded } from './map-bounded.ts';
import { download, FOLDS_AT_ONCE, pool, recordRun } from './options.ts';
import { openRelay, type Relay } from './relay.ts';
import { announce } from './search-attributes.ts';
import { rootOf, withFailureSurfaced } from './surface-failure.ts';

/**
 * A pipeline for each fold, so that every patient is tested once by a model that never saw it, and one report over all. The folds
 * are runs like any other; what does not depend on who trains is done by the first and found in the store by the others.
 */
export async function crossValidateWorkflow(input: CrossValidationInput): Promise<CrossValidationResult> {
  const board = openBoard(`${input.name}: ${input.target}, cross-validation`, ['download', 'folds', 'pool']);
  announce({ ...input, model: input.settings.model.checkpoint });
  const relay = openRelay(input.settings.training.epochs, board);
  const lineage = openLineage();
  const runs: string[] = [];
  return withFailureSurfaced(board, () =>
    withAccount(input, lineage, () => crossValidate(input, board, relay, lineage, runs), runs),
  );
}

/** @param runs filled with the folds' runs as they begin */
async function crossValidate(
  input: CrossValidationInput,
  board: Board,
  relay: Relay,
  lineage: Lineage,
  runs: string[],
): Promise<CrossValidationResult> {
  const { name, target, spec, settings } = input;
  const run = workflowInfo().workflowId;
  board.begin('download', 1);
  const downloaded = await board.unit('download', download({ spec }));
  lineage.use(downloaded);
  const { patients, fingerprint } = downloaded;
  const { folds } = settings.split;
  const results = await runFolds(input, folds === 'leave-one-out' ? patients.length : folds, board, relay, runs);

  await relay.gate();
  board.begin('pool', 1);
  const pooled = await board.unit(
    'pool',
    pool({
      ...{ title: name, run, target, folds: results.map(foldOf) },
      // A name of the hub moves; what the report says must not.
      settings: {
        ...settings,
        model: { ...settings.model, checkpoint: results[0]!.model.origin ?? settings.model.checkpoint },
      },
    }),
  );
  lineage.use(pooled);
  const { crossValidation, report, metrics, summaries } = pooled;
  board.measured(metrics);
  const result: CrossValidationResult = {
    ...{ run, name, target, fingerprint, metrics, summaries, crossValidation, report },
    stages: board.summaries(),
    folds: results.map(({ run, split, metrics, report }) => ({ run, test: split.test, metrics, report })),
    repairs: results[0]!.repairs,
  };
  const account = { input, uses: lineage.uses, runs } satisfies RunLineage;
  await recordRun({ run, result, lineage: account });
  return result;
}

/** The first fold alone: side by side with others, each would convert, slice and encode for itself. */
async function runFolds(
  input: CrossValidationInput,
  count: number,
  board: Board,
  relay: Relay,
  runs: string[],
): Promise<PipelineResult[]> {
  relay.expect(count);
  const run = workflowInfo().workflowId;
  const working: number[] = [];
  // The one that began first has most to tell.
  const show = (): void => board.child(working.length > 0 ? foldWorkflowId(run, working[0]!) : null);
  const work = async (fold: number): Promise<PipelineResult> => {
    await relay.gate();
    working.push(fold);
    runs.push(foldWorkflowId(run, fold));
    show();
    try {
      const { result } = await board.unit('folds', runFold(input, fold, count, relay));
      return result;
    } finally {
      working.splice(working.indexOf(fold), 1);
      show();
    }
  };
  board.begin('folds', count);
  const first = await work(0);
  const others = Array.from({ length: count - 1 }, (_, at) => at + 1);
  return [first, ...(await mapBounded(others, FOLDS_AT_ONCE, work))];
}

async function runFold(input: CrossValidationInput, fold: number, count: number, relay: Relay) {
  const { settings } = input;
  const ofFold: PipelineInput = { ...input, settings: { ...settings, split: { ...settings.split, fold } } };
  try {
    const result = await relay.run(foldWorkflowId(workflowInfo().workflowId, fold), ofFold, {
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      staticSummary: `Fold ${fold + 1} of ${count}`,
    });
    const { stages } = result;
    const seconds = stages.reduce((sum, { workSeconds }) => sum + workSeconds, 0);
    return { result, reused: stages.every(({ reused }) => reused), seconds };
  } catch (error) {
    if (isCancellation(error) || !(error instanceof TemporalFailure)) throw error;
    const { type, message, details } = rootOf(error);
    throw ApplicationFailure.create({
      ...{ type, details, nonRetryable: true, cause: error },
      message: `Fold ${fold + 1} of ${count}: ${message}`,
    });
  }
}

const foldOf = ({ run, split, evaluation, report, masks, asked }: PipelineResult): FoldRun => ({
  ...{ run, split: split.record, evaluation, report, ...(asked && { asked }) },
  automatic: masks.map(({ patient, overlap }) => ({ patient, overlap })),
});
