import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Context } from '@temporalio/activity';
import { WorkflowFailedError, type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import type { ArtifactRef } from '../../contracts/artifact.ts';
import { RunConfig } from '../../contracts/config.ts';
import { MESSAGES, WORKFLOWS } from '../../contracts/messages.ts';
import type { ControlState, PipelineInput, PipelineResult, Progress } from '../../contracts/pipeline.ts';
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
    });
  });
  after(() => temporal?.close());
  beforeEach(() => {
    [begun, tunings, held] = [[], [], null];
  });

  const start = () => temporal.start<PipelineResult>(WORKFLOWS.pipeline, INPUT);
  const ask = (run: WorkflowHandle, message: string, ...args: number[]): Promise<ControlState> =>
    run.executeUpdate<ControlState, [number]>(message, { args: args as [number] });
  const hasBegun = (name: string) => until(() => begun.includes(name));
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
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.deepEqual(await ask(run, MESSAGES.pause), { paused: true, stopping: false, epochs: null });
      held = null;
      const before = begun.length;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
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
});
