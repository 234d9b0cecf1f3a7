import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Context } from '@temporalio/activity';
import { WorkflowFailedError, type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import type { ArtifactRef } from '../../contracts/artifact.ts';
import { RunConfig } from '../../contracts/config.ts';
import type { CrossValidationResult, PoolInput } from '../../contracts/cross-validation.ts';
import { foldWorkflowId, MESSAGES, WORKFLOWS } from '../../contracts/messages.ts';
import type { ControlState, PipelineInput, PipelineResult, Progress, RetrainResult } from '../../contracts/pipeline.ts';
import type { FineTuneInput } from '../../contracts/stages.ts';
import { withoutTools } from '../helpers/dev-servers.ts';
import { type DoubledActivities, openDoubled } from '../helpers/doubled-activities.ts';
import { until } from '../helpers/until.ts';

const ref = (kind: string, number: number): ArtifactRef => {
  const sha256 = String(number).padStart(64, '0');
  return { kind, key: `cas/sha256/${sha256}`, sha256, bytes: 1 };
};
const outcome = { reused: false, seconds: 0 };
const overlap = { dice: 0.5, iou: 0.4 };
const PATIENTS = ['p-000000000001', 'p-000000000002', 'p-000000000003'];
const EPOCHS = 4;

const { split, model, device, slices, prompts, training, evaluation } = RunConfig.parse({
  ...{ name: 'control', source: { kind: 'phantom', patients: 3, seed: 7 }, training: { epochs: EPOCHS } },
  dataset: { target: 'lungs', pattern: { image: 'IMG_{patient}.nii', mask: 'MASK_{patient}.nii' } },
});
const INPUT: PipelineInput = {
  ...{ name: 'control', target: 'lungs', spec: ref('dataset-spec', 1) },
  structures: [{ name: 'lungs', label: null }],
  settings: { split, model, device, slices, prompts, training, evaluation },
};

describe('a run that people ask for something', { skip: await withoutTools('temporal') }, () => {
  let temporal: DoubledActivities;
  /** Activities in the order in which they began. */
  let begun: string[];
  let tunings: FineTuneInput[];
  /** Activities of this name wait until they are let go, or cancelled. */
  let held: string | null;
  let pooled: PoolInput | null;

  /** Lives until it is let go. */
  async function hold(name: string): Promise<void> {
    const context = Context.current();
    while (held === name) {
      context.heartbeat();
      context.cancellationSignal.throwIfAborted();
      await context.sleep(20);
    }
  }
  const double =
    <I, R>(name: string, result: (input: I) => R) =>
    async (input: I): Promise<R> => {
      begun.push(name);
      await hold(name);
      return result(input);
    };

  before(async () => {
    const files = PATIENTS.map((patient, at) => ({ patient, files: ref('patient-files', at), split: null }));
    const imported = {
      ...{ name: 'double', origin: null, embeddingShape: [1, 1, 1] },
      ...{ config: ref('config', 1), preprocessor: ref('preprocessor', 2), weights: ref('weights', 3) },
    };
    const [train, val, test] = PATIENTS.map((patient) => [patient]);
    temporal = await openDoubled('../../workflows/index.ts', {
      download: double('download', () => ({
        ...{ patients: files, fingerprint: '', files: 6, bytes: 6, licence: null },
        ...outcome,
      })),
      importModel: double('importModel', () => ({ model: imported, ...outcome })),
      convert: double('convert', () => ({ volume: ref('volume', 4), repairs: [], ...outcome })),
      slice: double('slice', () => ({ slices: ref('slices', 5), count: 160, ...outcome })),
      split: double('split', () => ({ train, val, test, record: ref('split', 6), ...outcome })),
      encodeShard: double('encodeShard', ({ from, to }: { from: number; to: number }) => ({
        ...{ embeddings: ref('embeddings', 7), from, to },
        ...outcome,
      })),
      async fineTune(input: FineTuneInput) {
        tunings.push(input);
        begun.push('fineTune');
        if (!input.stop) await hold('fineTune');
        const figures = { steps: 1, bestEpoch: 1, bestValLoss: 0.5 };
        return { weights: ref('weights', 8), curves: ref('curves', 9), ...figures, ...outcome };
      },
      evaluate: double('evaluate', () => ({
        ...{ evaluation: ref('evaluation', 10), predictions: [], zeroShot: overlap, fineTuned: overlap },
        ...outcome,
      })),
      package: double('package', () => ({ package: ref('model-package', 11), ...outcome })),
      infer: double('infer', ({ patient }: { patient: string }) => ({
        ...{ patient, mask: ref('mask', 12), foregroundVoxels: 1, promptedSlices: 1, prompts: 'lungs', overlap: null },
        ...outcome,
      })),
      report: double('report', () => ({ report: ref('report', 13), ...outcome })),
      recordRun: double('recordRun', () => undefined),
      fingerprint: double('fingerprint', () => ({ fingerprint: 'f' })),
      readChampion: double('readChampion', () => ({ champion: null, model: null, etag: null, settings: 's' })),
      promote: double('promote', () => ({ etag: '"1"' })),
      pool: double('pool', (input: PoolInput) => {
        pooled = input;
        const metrics = { zeroShot: overlap, fineTuned: overlap };
        return { crossValidation: ref('cross-validation', 14), report: ref('report', 15), metrics, summaries: [] };
      }),
    });
  });
  after(() => temporal?.close());
  beforeEach(() => {
    [begun, tunings, held, pooled] = [[], [], null, null];
  });

  const start = () => temporal.start<PipelineResult>(WORKFLOWS.pipeline, INPUT);
  const ask = (run: WorkflowHandle, message: string, ...args: number[]): Promise<ControlState> =>
    run.executeUpdate<ControlState, [number]>(message, { args: args as [number] });
  const hasBegun = (name: string) => until(() => begun.includes(name));
  /** Until nothing more begins. */
  const rests = async (): Promise<void> => {
    for (let known = -1; known !== begun.length; await new Promise((resolve) => setTimeout(resolve, 400))) {
      known = begun.length;
    }
  };
  const refuses = (asked: Promise<ControlState>, why: RegExp): Promise<void> =>
    assert.rejects(asked, (error) => {
      assert.ok(error instanceof WorkflowUpdateFailedError, String(error));
      assert.match(String(error.cause?.message), why);
      return true;
    });

  for (const name of ['convert', 'slice', 'split', 'encodeShard', 'evaluate', 'infer']) {
    it(`begins nothing more when it is paused during ${name}, and goes on when it is resumed`, async () => {
      held = name;
      const run = await start();
      await hasBegun(name);
      // As many as may be at work at a time.
      await rests();
      assert.deepEqual(await ask(run, MESSAGES.pause), { paused: true, stopping: false, epochs: null });
      held = null;
      const before = begun.length;
      await rests();
      assert.equal(begun.length, before, `begun: ${begun.slice(before)}`);
      const { control }: Progress = await run.query(MESSAGES.progress);
      assert.equal(control?.paused, true);
      await ask(run, MESSAGES.resume);
      await run.result();
      assert.equal(begun.at(-1), 'recordRun');
      assert.equal(begun.filter((one) => one === 'encodeShard').length, 15);
      assert.equal(begun.filter((one) => one === 'fineTune').length, 1);
    });
  }

  it('gives the gpu back while it is paused, and trains on when it is resumed', async () => {
    held = 'fineTune';
    const run = await start();
    await hasBegun('fineTune');
    await ask(run, MESSAGES.pause);
    await refuses(ask(run, MESSAGES.pause), /paused already/);
    await until(async () => ((await run.describe()).raw.pendingActivities ?? []).length === 0);
    assert.equal(tunings.length, 1);
    await ask(run, MESSAGES.resume);
    await refuses(ask(run, MESSAGES.resume), /not paused/);
    await until(() => tunings.length === 2);
    assert.deepEqual(tunings[1], tunings[0]);
    held = null;
    await run.result();
  });

  it('stops the training early, once, and goes on to evaluate', async () => {
    held = 'fineTune';
    const run = await start();
    await hasBegun('fineTune');
    assert.deepEqual(await ask(run, MESSAGES.stop), { paused: false, stopping: true, epochs: null });
    await refuses(ask(run, MESSAGES.extend, 9), /being stopped/);
    await run.result();
    assert.deepEqual(
      tunings.map(({ stop, until: to }) => [stop, to]),
      [
        [undefined, undefined],
        [true, undefined],
      ],
    );
    assert.ok(begun.includes('evaluate'));
  });

  it('refuses to stop or extend what cannot be, and says why', async () => {
    held = 'convert';
    const run = await start();
    await hasBegun('convert');
    await refuses(ask(run, MESSAGES.stop), /has not begun/);
    await refuses(ask(run, MESSAGES.extend, EPOCHS), /4 epochs are planned already/);
    await refuses(ask(run, MESSAGES.extend, 10_001), /at most 10000/);
    await refuses(ask(run, MESSAGES.extend, 5.5), /whole number/);
    held = 'report';
    await hasBegun('report');
    await refuses(ask(run, MESSAGES.extend, 9), /has ended/);
    await refuses(ask(run, MESSAGES.stop), /has ended/);
    held = null;
    await run.result();
  });

  it('extends a training before it begins, and while it is at work', async () => {
    held = 'convert';
    const run = await start();
    await hasBegun('convert');
    await ask(run, MESSAGES.extend, 6);
    held = 'fineTune';
    await hasBegun('fineTune');
    assert.deepEqual(await ask(run, MESSAGES.extend, 9), { paused: false, stopping: false, epochs: 9 });
    await until(() => tunings.length === 2);
    held = null;
    await run.result();
    assert.deepEqual(
      tunings.map(({ until: to }) => to),
      [6, 9],
    );
  });

  it('hears signals of the same names, and does nothing where an update would be refused', async () => {
    held = 'fineTune';
    const run = await start();
    await hasBegun('fineTune');
    await run.signal(MESSAGES.extend, 2);
    await run.signal(MESSAGES.pause);
    await run.signal(MESSAGES.pause);
    await until(async () => (await run.query<Progress>(MESSAGES.progress)).control?.paused);
    await run.signal(MESSAGES.stop);
    await run.signal(MESSAGES.resume);
    await run.result();
    assert.deepEqual(
      tunings.map(({ stop }) => stop),
      [undefined, true],
    );
  });

  it('ends as cancelled, also while it is paused', async () => {
    held = 'fineTune';
    const run = await start();
    await hasBegun('fineTune');
    await ask(run, MESSAGES.pause);
    await run.cancel();
    const isCancelled = (error: unknown) =>
      error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure;
    await assert.rejects(run.result(), isCancelled);
    assert.equal(tunings.length, 1);
  });

  describe('above runs', () => {
    const FOLDS = 3;
    const crossValidate = () => {
      const settings = { ...INPUT.settings, split: { ...split, folds: FOLDS } };
      return temporal.start<CrossValidationResult>(WORKFLOWS.crossValidate, { ...INPUT, settings });
    };
    const retrain = () => temporal.start<RetrainResult>(WORKFLOWS.retrain, INPUT);
    const isPaused = async (run: string): Promise<boolean> =>
      (await temporal.client.workflow.getHandle(run).query<Progress>(MESSAGES.progress)).control?.paused ?? false;
    const foldsTold = async (asked: Promise<ControlState>, run: WorkflowHandle): Promise<number[]> =>
      (await asked).told!.map((id) => Number(id.replace(`${run.workflowId}/fold-`, ''))).sort();

    it('a cross-validation tells its folds at work, holds back those to come, and starts them with what was asked', async () => {
      held = 'convert';
      const run = await crossValidate();
      await hasBegun('convert');
      await refuses(ask(run, MESSAGES.stop), /no training is at work/);
      await refuses(ask(run, MESSAGES.extend, EPOCHS), /4 epochs are planned already/);
      await refuses(ask(run, MESSAGES.extend, 10_001), /at most 10000/);
      held = 'fineTune';
      await hasBegun('fineTune');
      // The fold's own news of its training is on its way.
      assert.deepEqual(await until(() => foldsTold(ask(run, MESSAGES.stop), run).catch(() => null)), [1]);
      await until(() => tunings.length === 2);
      held = 'recordRun';
      await hasBegun('recordRun');
      assert.deepEqual(await foldsTold(ask(run, MESSAGES.pause), run), [1]);
      await refuses(ask(run, MESSAGES.pause), /paused already/);
      held = null;
      await rests();
      assert.equal(begun.at(-1), 'recordRun', 'no fold begins');
      assert.deepEqual(await foldsTold(ask(run, MESSAGES.extend, 6), run), []);
      held = 'slice';
      await ask(run, MESSAGES.resume);
      await until(() => begun.filter((name) => name === 'slice').length === FOLDS * PATIENTS.length);
      assert.deepEqual(await foldsTold(ask(run, MESSAGES.pause), run), [2, 3]);
      for (const fold of [1, 2]) await until(() => isPaused(foldWorkflowId(run.workflowId, fold)));
      held = 'pool';
      await rests();
      assert.equal(begun.at(-1), 'slice', 'both folds stand still');
      await ask(run, MESSAGES.resume);
      await hasBegun('pool');
      await refuses(ask(run, MESSAGES.extend, 9), /has ended/);
      await refuses(ask(run, MESSAGES.stop), /has ended/);
      held = null;
      assert.equal((await run.result()).folds.length, FOLDS);
      assert.deepEqual(
        tunings.map(({ stop, until: to }) => [stop, to]),
        [[undefined, undefined], [true, undefined], ...[2, 3].map(() => [undefined, 6])],
      );
      const asked = pooled?.folds.map((fold) => fold.asked);
      assert.deepEqual(asked, [{ stoppedEarly: true }, { extendedTo: 6 }, { extendedTo: 6 }]);
    });

    it('a retraining is asked by its own name: its training is paused, extended and stopped, and its promotion waits', async () => {
      held = 'fineTune';
      const run = await retrain();
      const inside = `${run.workflowId}/pipeline`;
      await hasBegun('fineTune');
      assert.deepEqual(await ask(run, MESSAGES.pause), { paused: true, stopping: false, epochs: null, told: [inside] });
      await until(() => isPaused(inside));
      await ask(run, MESSAGES.extend, 6);
      await ask(run, MESSAGES.resume);
      await until(() => tunings.length === 2);
      assert.equal(tunings[1]?.until, 6);
      assert.equal((await ask(run, MESSAGES.stop)).stopping, true);
      await refuses(ask(run, MESSAGES.stop), /being stopped already|has ended/);
      await until(() => tunings.length === 3);
      held = 'recordRun';
      await hasBegun('recordRun');
      await refuses(ask(run, MESSAGES.extend, 9), /has ended/);
      // A signal does what an update does, or nothing.
      await run.signal(MESSAGES.stop);
      await run.signal(MESSAGES.pause);
      await until(() => isPaused(run.workflowId));
      held = null;
      await rests();
      assert.equal(begun.at(-1), 'recordRun', 'nothing is promoted');
      await run.signal(MESSAGES.resume);
      assert.equal((await run.result()).outcome, 'first');
      assert.deepEqual([tunings[2]?.stop, tunings[2]?.until], [true, 6]);
    });

    it('a cancellation reaches the runs inside, also while they are paused', async () => {
      held = 'fineTune';
      const run = await crossValidate();
      await hasBegun('fineTune');
      await ask(run, MESSAGES.pause);
      await run.cancel();
      await assert.rejects(run.result());
      const fold = await temporal.client.workflow.getHandle(foldWorkflowId(run.workflowId, 0)).describe();
      assert.equal(fold.status.name, 'CANCELLED');
    });
  });
});
