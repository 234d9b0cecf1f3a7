import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { Platform } from '../../cli/dev/platform.ts';
import { findLineage } from '../../cli/find-lineage.ts';
import type { RunConfigInput } from '../../contracts/config.ts';
import { CrossValidation, type CrossValidationResult } from '../../contracts/cross-validation.ts';
import { encodeWorkflowId, foldWorkflowId, MESSAGES } from '../../contracts/messages.ts';
import type { PipelineResult, Progress } from '../../contracts/pipeline.ts';
import { Evaluation } from '../../contracts/stages.ts';
import { explainRun } from '../../lib/artifacts/explain.ts';
import { innerRun } from '../../lib/artifacts/inner-runs.ts';
import { withoutTools } from '../helpers/dev-servers.ts';
import { activitiesOf } from '../helpers/events.ts';
import { type Bucket, Installation, smallRun, textsIn } from '../helpers/installation.ts';
import { until } from '../helpers/until.ts';

const ID = 'folds';
const PATIENTS = 3;
const leaveOneOut = (training: RunConfigInput['training'], split: RunConfigInput['split'] = {}): RunConfigInput => ({
  ...smallRun('folds', training),
  split: { ...split, folds: 'leave-one-out' },
});

describe('a cross-validation', { skip: await withoutTools('temporal', 'versitygw') }, () => {
  let installation: Installation;
  let bucket: Bucket;
  let result: CrossValidationResult;
  const lineageOf = (id: string) => findLineage(id, bucket as unknown as Platform);
  const handleOf = (id: string) => installation.client.workflow.getHandle(id);
  const foldIds = Array.from({ length: PATIENTS }, (_, fold) => foldWorkflowId(ID, fold));
  const foldResults = (): Promise<PipelineResult[]> =>
    Promise.all(foldIds.map((id) => handleOf(id).result() as Promise<PipelineResult>));
  const validate = async (id: string, config: RunConfigInput) =>
    installation.whileWorking((await installation.startFolds(id, config, bucket)).result());

  before(
    async () => {
      installation = await Installation.open();
      bucket = installation.bucket('folds');
      await Promise.all([installation.startWorker('io,cpu', bucket), installation.startWorker('gpu', bucket)]);
      result = await validate(ID, leaveOneOut({ epochs: 1 }));
    },
    { timeout: 240_000 },
  );
  after(() => installation?.close());

  it('tests each patient once, by a model that has not learned from it', async () => {
    const splits = (await foldResults()).map(({ split }) => split);
    const tested = splits.flatMap(({ test }) => test);
    assert.deepEqual([tested.length, new Set(tested).size], [PATIENTS, PATIENTS]);
    for (const { train, val, test } of splits) {
      assert.deepEqual([train.length, val.length], [1, 1]);
      assert.equal(new Set([...train, ...val, ...test]).size, PATIENTS);
    }
    assert.deepEqual(
      result.folds.map(({ run, test }) => [run, test]),
      foldIds.map((id, fold) => [id, splits[fold]!.test]),
    );
  });

  it('converts, slices and encodes once: what the first fold did the others find', async () => {
    for (const [fold, id] of foldIds.entries()) {
      const shared = [
        ...(await activitiesOf(handleOf(id), 'convert')),
        ...(await activitiesOf(handleOf(id), 'slice')),
        ...(await activitiesOf(handleOf(encodeWorkflowId(id)), 'encodeShard')),
      ];
      assert.ok(shared.length >= 3 * PATIENTS, `${shared.length} activities`);
      assert.ok(
        shared.every((activity) => activity.result.reused === fold > 0),
        id,
      );
      const [tuned] = await activitiesOf(handleOf(id), 'fineTune');
      assert.equal(tuned!.result.reused, false);
    }
  });

  it('pools the folds: the mean over the patients of all, each once, with what can be said of it', async () => {
    const evaluations = await Promise.all(
      (await foldResults()).map(({ evaluation }) => bucket.artifacts.getJson(evaluation, Evaluation)),
    );
    const patients = evaluations.flatMap((evaluation) => evaluation.patients);
    const pooled = await bucket.artifacts.getJson(result.crossValidation, CrossValidation);
    assert.deepEqual(
      pooled.patients.map(({ patient, fineTuned }) => [patient, fineTuned]),
      patients.map(({ patient, fineTuned }) => [patient, fineTuned]),
    );
    const mean = patients.reduce((sum, { fineTuned }) => sum + fineTuned.dice, 0) / PATIENTS;
    assert.ok(Math.abs(pooled.fineTuned.dice - mean) < 1e-12);
    assert.deepEqual(result.metrics.fineTuned, pooled.fineTuned);
    const dice = result.summaries[0]!.fineTuning.find(({ metric }) => metric === 'dice')!;
    assert.deepEqual([dice.patients, dice.after.mean, dice.after.interval?.length], [PATIENTS, mean, 2]);
    assert.ok(dice.p !== null && pooled.note?.includes('3 test patients'));
    assert.deepEqual(
      pooled.patients.map(({ fold }) => fold),
      [1, 2, 3],
    );
  });

  it('gives a report that names every fold and every patient, and is recorded under its id', async () => {
    const html = Buffer.from(await bucket.artifacts.get(result.report)).toString();
    for (const { run, test } of result.folds) assert.ok(html.includes(run) && html.includes(test[0]!), run);
    const recorded = await textsIn(bucket, `runs/${ID}/result.json`);
    assert.equal(JSON.parse([...recorded.values()][0]!).report.sha256, result.report.sha256);
  });

  it('keeps an account of itself and of its folds, by which it is explained', async () => {
    const account = await lineageOf(ID);
    assert.deepEqual(account?.runs, foldIds);
    const stages = await explainRun(account!, bucket.store);
    assert.deepEqual(
      stages.map(({ stage, ran }) => [stage, ran]),
      [
        ['download', 1],
        ['pool', 1],
      ],
    );
    const [first, second] = await Promise.all(foldIds.map(async (id) => innerRun(id, await lineageOf(id))));
    assert.ok(first!.ran.includes('convert'));
    assert.ok(second!.reused.includes('convert') && second!.ran.includes('fine-tune'), JSON.stringify(second));
  });

  it('does nothing again when it is run again', async () => {
    const again = await validate(ID, leaveOneOut({ epochs: 1 }));
    assert.ok(
      again.stages.every(({ reused }) => reused),
      JSON.stringify(again.stages),
    );
    assert.deepEqual([again.crossValidation, again.report], [result.crossValidation, result.report]);
  });

  it('fails with the fold that failed, named, and its code', async () => {
    const failing = validate('failing', leaveOneOut({ epochs: 1 }, { val: 2 }));
    await assert.rejects(failing, ({ cause }) => {
      assert.ok(cause instanceof ApplicationFailure);
      assert.equal(cause.type, 'SPLIT_TOO_FEW_PATIENTS');
      assert.match(cause.message, /^Fold 1 of 3: split\.folds: found 3 patients, expected at least 4/);
      return true;
    });
    const failed = { stage: 'split', code: 'SPLIT_TOO_FEW_PATIENTS' };
    const [whole, fold] = [await lineageOf('failing'), await lineageOf('failing/fold-1')];
    assert.deepEqual([whole?.failed, whole?.runs], [failed, ['failing/fold-1']]);
    const { reused, failed: where } = innerRun('failing/fold-1', fold);
    assert.deepEqual([reused, where], [['download', 'import-model', 'convert', 'slice'], failed]);
  });

  it('takes the fold at work with it when it is cancelled, and says before which one that is', async () => {
    const handle = await installation.startFolds('cancelled', leaveOneOut({ epochs: 4000, patience: 0 }), bucket);
    const fold = handleOf(foldWorkflowId('cancelled', 0));
    await until(async () => {
      const progress = await fold.query<Progress>(MESSAGES.progress).catch(() => null);
      return progress?.stages.some(({ name, state }) => name === 'fine-tune' && state === 'running');
    }, 60);
    const { child, stages }: Progress = await handle.query(MESSAGES.progress);
    assert.deepEqual([child, stages.find(({ name }) => name === 'folds')?.state], [fold.workflowId, 'running']);
    await handle.cancel();
    await assert.rejects(
      installation.whileWorking(handle.result()),
      (error) => error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure,
    );
    for (const { workflowId } of [fold, handle]) {
      assert.equal((await handleOf(workflowId).describe()).status.name, 'CANCELLED');
    }
  });
});
