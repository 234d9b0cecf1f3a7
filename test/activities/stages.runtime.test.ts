import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { ActivityDeps, Compute } from '../../activities/deps.ts';
import { type Activities, createActivities } from '../../activities/index.ts';
import { tasks } from '../../activities/tasks.ts';
import { RunConfig } from '../../contracts/config.ts';
import { HEARTBEAT } from '../../contracts/messages.ts';
import type {
  EncodedPatient,
  EvaluateResult,
  FineTuneInput,
  FineTuneResult,
  SliceResult,
} from '../../contracts/stages.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import type { PutOptions } from '../../lib/artifacts/store.ts';

const MODELS = fileURLToPath(new URL('../fixtures', import.meta.url));
const { source, dataset, split, slices, prompts, training } = RunConfig.parse({
  name: 'stages',
  source: { kind: 'phantom', patients: 3, seed: 7 },
  dataset: {
    target: 'lungs',
    pattern: { image: '3d_images/IMG_{patient}.nii.gz', mask: '3d_images/MASK_{patient}.nii.gz' },
  },
  slices: { window: 'lung' },
  prompts: { automatic: 'lungs' },
  training: { epochs: 12, batchBoxes: 2, learningRate: 1e-3, checkpointEverySteps: 5 },
});

/** A store in which a test can wait for a write, and hold it up. */
class WatchedStore extends MemoryStore {
  before: (key: string) => Promise<void> | void = () => undefined;
  override async put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<{ etag: string }> {
    await this.before(key);
    return super.put(key, bytes, options);
  }
}

/** Tasks run here and now: threads are the business of workers/. */
const compute: Compute = {
  async run(name, input, signal) {
    signal.throwIfAborted();
    return (await (tasks[name] as (input: unknown) => unknown)(input)) as never;
  },
};

/** Nobody's account at Kaggle, and these buckets. */
const withoutAccess = (openBucket: () => MemoryStore): ActivityDeps['sources'] => ({
  kaggle: { endpoint: 'http://127.0.0.1:1', username: null, key: null, token: null, configDir: '' },
  openBucket,
});

/** A worker of its own over a store that it may share: nothing in memory is common to two of them. */
function openWorker(store: MemoryStore, cacheDir: string): Activities {
  const artifacts = new ArtifactStore(store);
  const deps: ActivityDeps = {
    ...{ artifacts, store, compute, cacheDir, threads: 2, modelsDir: MODELS },
    ...{ patientKey: 'a secret of many letters', hub: { endpoint: 'http://127.0.0.1:1', token: null } },
    openBucket: () => store,
    sources: withoutAccess(() => store),
  };
  return createActivities(deps);
}

/** An environment of an attempt. What it tells the workflow is heard by nobody. */
function attempt(number = 1): MockActivityEnvironment {
  const client = {
    workflow: { getHandle: () => ({ signal: async () => undefined }) },
    withAbortSignal: <T>(_: AbortSignal, work: () => Promise<T>) => work(),
  };
  const logger = new DefaultLogger('ERROR');
  return new MockActivityEnvironment({ attempt: number }, { client: client as unknown as Client, logger });
}

const run = <I, R>(stage: (input: I) => Promise<R>, input: I, environment = attempt()): Promise<R> =>
  environment.run(stage as (...args: unknown[]) => Promise<R>, input);

async function copyOf(store: MemoryStore): Promise<WatchedStore> {
  const copy = new WatchedStore();
  for await (const { key } of store.list('')) await copy.put(key, (await store.get(key))!.bytes);
  return copy;
}

async function chainOf(store: MemoryStore): Promise<{ step: number; fence: number }[]> {
  const chain = [];
  for await (const { key } of store.list('runs/')) {
    if (key.includes('/steps/')) chain.push(JSON.parse(Buffer.from((await store.get(key))!.bytes).toString()));
  }
  return chain;
}

const isStep = (key: string): boolean => key.startsWith('runs/') && key.includes('/steps/');

describe('the stages, as activities over a store', () => {
  let cacheDir: string;
  /** Holds everything up to the embeddings. */
  let encodedStore: MemoryStore;
  let encoded: EncodedPatient[];
  let sliced: (SliceResult & { volume: EvaluateInputTest['volume'] })[];
  let input: FineTuneInput;
  /** The training that nobody disturbed, and its store. */
  let untouched: FineTuneResult;
  let finished: WatchedStore;
  let beats: number[];
  type EvaluateInputTest = Parameters<Activities['evaluate']>[0]['test'][number];

  before(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), 'samflow-stages-'));
    encodedStore = new MemoryStore();
    const worker = openWorker(encodedStore, cacheDir);
    const spec = await new ArtifactStore(encodedStore).putJson('dataset-spec', { source, dataset });
    const { patients } = await run(worker.download, { spec });
    const { model } = await run(worker.importModel, { checkpoint: 'sam-tiny' });
    sliced = [];
    encoded = [];
    for (const { patient, files } of patients) {
      const { volume } = await run(worker.convert, { patient, files });
      const stack = await run(worker.slice, { patient, volume, slices });
      sliced.push({ ...stack, volume });
      const shard = { model, slices: stack.slices, from: 0, to: stack.count };
      const { embeddings } = await run(worker.encodeShard, shard);
      encoded.push({ patient, slices: stack.slices, shards: [{ embeddings, from: 0, to: stack.count }] });
    }
    input = { model, train: [encoded[0]!], val: [encoded[1]!], prompts, training };

    finished = await copyOf(encodedStore);
    const environment = attempt();
    beats = [performance.now()];
    environment.on('heartbeat', () => beats.push(performance.now()));
    untouched = await run(openWorker(finished, cacheDir).fineTune, input, environment);
    beats.push(performance.now());
  });
  after(() => rm(cacheDir, { recursive: true, force: true }));

  it('tell that they live, never later than twice the interval', () => {
    const gaps = beats.slice(1).map((at, index) => at - beats[index]!);
    assert.ok(
      Math.max(...gaps) <= 2 * HEARTBEAT.everyMs,
      `the longest silence was ${Math.round(Math.max(...gaps))} ms`,
    );
  });

  it('train: what comes out is better than what went in', () => {
    assert.ok(untouched.bestEpoch > 0);
    assert.equal(untouched.reused, false);
  });

  it('resume: an attempt that was killed in mid training is gone on with, to the bit', async () => {
    const store = await copyOf(encodedStore);
    const killed = attempt(1);
    let kept = 0;
    store.before = (key) => {
      if (isStep(key) && ++kept === 12) killed.cancel('CANCELLED');
    };
    await assert.rejects(run(openWorker(store, cacheDir).fineTune, input, killed), CancelledFailure);
    const before = await chainOf(store);
    assert.ok(before.length >= 11 && before.length <= 13, `${before.length} checkpoints`);

    const end = before.at(-1)!.step;
    const writtenAgain: string[] = [];
    store.before = (key) => {
      if (isStep(key)) writtenAgain.push(key);
    };
    const resumed = await run(openWorker(store, cacheDir).fineTune, input, attempt(2));
    assert.equal(resumed.weights.sha256, untouched.weights.sha256);
    assert.equal(resumed.curves.sha256, untouched.curves.sha256);
    const chain = await chainOf(store);
    assert.deepEqual(
      chain,
      (await chainOf(finished)).map((step) => ({ ...step, fence: step.step > end ? 2 : 1 })),
    );
    // Whoever begins anew writes the first steps again, and is answered that they are there.
    assert.equal(writtenAgain.length, chain.length - before.length);
  });

  it('fence: an attempt that others took for dead commits nothing more', async () => {
    const store = await copyOf(encodedStore);
    let release = (): void => undefined;
    const awake = new Promise<void>((resolve) => {
      release = resolve;
    });
    const hangs = new Promise<void>((hanging) => {
      let kept = 0;
      store.before = (key) => {
        if (!isStep(key) || ++kept !== 6) return undefined;
        hanging();
        return awake;
      };
    });
    const zombie = run(openWorker(store, cacheDir).fineTune, input, attempt(1));
    const verdict = assert.rejects(
      zombie,
      (error) => error instanceof ApplicationFailure && error.type === 'ATTEMPT_FENCED_OUT' && !error.nonRetryable,
    );
    await hangs;
    const successor = await run(openWorker(store, cacheDir).fineTune, input, attempt(2));
    const chain = await chainOf(store);
    release();
    await verdict;
    assert.equal(successor.weights.sha256, untouched.weights.sha256);
    assert.deepEqual(await chainOf(store), chain);
  });

  it('reuse: what was done is not done again, by whichever worker', async () => {
    const store = await copyOf(finished);
    let written = 0;
    store.before = () => {
      written += 1;
    };
    const worker = openWorker(store, cacheDir);
    const [first] = sliced;
    const shard = { model: input.model, slices: first!.slices, from: 0, to: first!.count };
    const again = await run(worker.encodeShard, shard);
    assert.equal(again.reused, true);
    assert.deepEqual(again.embeddings, encoded[0]!.shards[0]!.embeddings);
    // How often a checkpoint is written changes no weight.
    const often = { ...input, training: { ...training, checkpointEverySteps: 1 } };
    const tuned = await run(worker.fineTune, often);
    assert.deepEqual(tuned, { ...untouched, reused: true });
    assert.equal(written, 0);
  });

  it('evaluate, infer and report on a patient whom the training never saw', async () => {
    const worker = openWorker(finished, cacheDir);
    const artifacts = new ArtifactStore(finished);
    const { model } = input;
    const { weights } = untouched;
    const [patient, { volume }] = [encoded[2]!, sliced[2]!];
    const evaluated: EvaluateResult = await run(worker.evaluate, {
      ...{ model, weights, prompts },
      test: [{ ...patient, volume }],
    });
    const metrics = { zeroShot: evaluated.zeroShot, fineTuned: evaluated.fineTuned };
    assert.ok(metrics.fineTuned.dice > metrics.zeroShot.dice + 0.1, JSON.stringify(metrics));

    const groups = { train: [encoded[0]!.patient], val: [encoded[1]!.patient], test: [patient.patient] };
    const packaged = await run(worker.package, {
      ...{ name: 'stages', target: 'lungs', model, weights, metrics, slices, prompts, fingerprint: 'f' },
      train: [{ patient: encoded[0]!.patient, slices: encoded[0]!.slices }],
      learnedFrom: [...groups.train, ...groups.val],
      heldOut: groups.test,
    });
    const mask = await run(worker.infer, { package: packaged.package, patient: patient.patient, volume });
    assert.equal(mask.prompts, 'lungs');
    assert.ok(mask.foregroundVoxels > 0 && mask.overlap!.dice > 0.2, JSON.stringify(mask.overlap));

    const divided = await run(worker.split, {
      patients: sliced.map(({ patient, volume, slices }) => ({ patient, volume, slices, split: null })),
      split,
    });
    const { report } = await run(worker.report, {
      ...{ title: 'stages', run: 'stages-1', target: 'lungs', split: divided, weights, infer: [mask], lineage: [] },
      settings: { model: { checkpoint: 'sam-tiny' } },
      evaluation: evaluated.evaluation,
      curves: untouched.curves,
      bestEpoch: untouched.bestEpoch,
      test: [{ patient: patient.patient, slices: patient.slices }],
    });
    const html = Buffer.from(await artifacts.get(report)).toString();
    assert.match(html, /^<!doctype html>/i);
    assert.ok(html.includes(metrics.fineTuned.dice.toFixed(3)));
  });
});
