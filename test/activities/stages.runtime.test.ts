import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, mock } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { Activities } from '../../activities/index.ts';
import { RunConfig } from '../../contracts/config.ts';
import {
  Curves,
  type EncodedPatient,
  type EvaluateResult,
  Evaluation,
  type FineTuneInput,
  type FineTuneResult,
  PatientFiles,
  type SliceResult,
} from '../../contracts/stages.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import type { ObjectStore, PutOptions } from '../../lib/artifacts/store.ts';
import { MaskDecoder } from '../../lib/training/decoder.ts';
import { readNifti } from '../../lib/volume/nifti.ts';
import { attempt, openWorker, run } from '../helpers/stages.ts';

const structures = [{ name: 'lungs', label: null }];
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

/** Another worker's view of a store, where artifacts come only when a promise has resolved; `asked` says that one was wanted. */
function slowReads(store: MemoryStore, until: Promise<void>): { slow: ObjectStore; asked: Promise<void> } {
  let hear = (): void => undefined;
  const asked = new Promise<void>((resolve) => {
    hear = resolve;
  });
  const slow: ObjectStore = {
    async get(key, range) {
      if (key.startsWith('cas/')) hear();
      if (key.startsWith('cas/')) await until;
      return store.get(key, range);
    },
    put: (...put) => store.put(...put),
    putLarge: (...put) => store.putLarge(...put),
    head: (key) => store.head(key),
    list: (prefix) => store.list(prefix),
    deleteMany: (keys) => store.deleteMany(keys),
  };
  return { slow, asked };
}

async function copyOf(store: MemoryStore): Promise<WatchedStore> {
  const copy = new WatchedStore();
  for await (const { key } of store.list('')) await copy.put(key, (await store.get(key))!.bytes);
  return copy;
}

async function chainOf(store: MemoryStore): Promise<{ step: number; fence: number; checkpoint: { key: string } }[]> {
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
  let sliced: (SliceResult & { volume: EvaluateInputTest['volume']; voxels: string })[];
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
      const { volume, voxels } = await run(worker.convert, { patient, files });
      const stack = await run(worker.slice, { patient, volume, slices });
      sliced.push({ ...stack, volume, voxels });
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

  it('tell that they live, never later than after two seconds', () => {
    const gaps = beats.slice(1).map((at, index) => at - beats[index]!);
    assert.ok(Math.max(...gaps) <= 2_000, `the longest silence was ${Math.round(Math.max(...gaps))} ms`);
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
    assert.ok(before.length >= 11 && before.length <= 14, `${before.length} checkpoints`);
    const perEpoch = untouched.steps / training.epochs;

    const end = before.at(-1)!.step;
    const writtenAgain: string[] = [];
    store.before = (key) => {
      if (isStep(key)) writtenAgain.push(key);
    };
    // Its embeddings come from the disk.
    const successor = openWorker(store, cacheDir, { embeddings: { memoryBytes: 0 } });
    const resumed = await run(successor.fineTune, input, attempt(2));
    assert.equal(resumed.weights.sha256, untouched.weights.sha256);
    assert.equal(resumed.curves.sha256, untouched.curves.sha256);
    const chain = await chainOf(store);
    const bits = ({ step, checkpoint }: { step: number; checkpoint: { key: string } }) => [step, checkpoint.key];
    // It parted at the step it was at, wherever that lay.
    const parted = chain.filter(({ step }) => step !== end || step % 5 === 0 || step % perEpoch === 0);
    assert.deepEqual(parted.map(bits), (await chainOf(finished)).map(bits));
    assert.deepEqual(
      chain.map(({ fence }) => fence),
      chain.map(({ step }) => (step > end ? 2 : 1)),
    );
    // Whoever begins anew writes the first steps again, and is answered that they are there.
    assert.equal(writtenAgain.length, chain.length - before.length);
  });

  /** Runs a training until some checkpoints are kept, then ends it as a stop, a pause or an extension does. */
  async function interrupted(store: WatchedStore, what: FineTuneInput = input): Promise<void> {
    const environment = attempt();
    let kept = 0;
    store.before = (key) => {
      if (isStep(key) && ++kept === 12) environment.cancel('CANCELLED');
    };
    await assert.rejects(run(openWorker(store, cacheDir).fineTune, what, environment), CancelledFailure);
    store.before = () => undefined;
  }
  const curvesOf = (store: MemoryStore, { curves }: FineTuneResult) => new ArtifactStore(store).getJson(curves, Curves);

  it('stop: the epochs that are done count, and a later run of the same settings trains to its end', async () => {
    const store = await copyOf(encodedStore);
    await interrupted(store);
    const before = (await chainOf(store)).length;
    const stopped = await run(openWorker(store, cacheDir).fineTune, { ...input, stop: true });
    assert.equal((await chainOf(store)).length, before, 'it trains no more');
    const { epochs } = await curvesOf(store, stopped);
    const whole = await curvesOf(finished, untouched);
    assert.ok(epochs.length >= 1 && epochs.length < training.epochs, `${epochs.length} epochs`);
    assert.deepEqual(epochs, whole.epochs.slice(0, epochs.length));
    assert.ok(stopped.bestEpoch <= epochs.length);
    // Asked again, in this run or another one, it is the same training.
    const { cause, ...made } = stopped;
    const again = await run(openWorker(store, cacheDir).fineTune, { ...input, stop: true });
    assert.deepEqual([cause, again], ['new', { ...made, reused: true }]);
    const limited = await run(openWorker(store, cacheDir).fineTune, { ...input, until: epochs.length });
    assert.deepEqual([limited.reused, limited.weights], [true, stopped.weights]);

    const later = await run(openWorker(store, cacheDir).fineTune, input);
    assert.equal(later.reused, false);
    assert.deepEqual(
      [later.weights, later.curves, later.steps],
      [untouched.weights, untouched.curves, untouched.steps],
    );
  });

  it('stop: before its first epoch is done a training still makes that one', async () => {
    const store = await copyOf(encodedStore);
    const stopped = await run(openWorker(store, cacheDir).fineTune, { ...input, stop: true });
    assert.equal((await curvesOf(store, stopped)).epochs.length, 1);
  });

  it('extend: what comes after the plan is another result, and the plan’s own is still to be had', async () => {
    const store = await copyOf(encodedStore);
    await interrupted(store);
    const until = training.epochs + 3;
    const extended = await run(openWorker(store, cacheDir).fineTune, { ...input, until });
    const { epochs } = await curvesOf(store, extended);
    const whole = await curvesOf(finished, untouched);
    assert.equal(epochs.length, until);
    assert.deepEqual(epochs.slice(0, training.epochs), whole.epochs);
    const rate = whole.epochs.at(-1)!.learningRate;
    assert.ok(epochs.slice(training.epochs).every(({ learningRate }) => learningRate === rate));

    const chain = await chainOf(store);
    const planned = await run(openWorker(store, cacheDir).fineTune, input);
    assert.equal(planned.reused, false);
    assert.deepEqual([planned.weights, planned.curves], [untouched.weights, untouched.curves]);
    assert.deepEqual(await chainOf(store), chain, 'all of it was in the chain');
    // A finished training that is extended goes on from its end.
    const end = await run(openWorker(await copyOf(finished), cacheDir).fineTune, { ...input, until });
    assert.deepEqual([end.weights, end.curves], [extended.weights, extended.curves]);
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

  it('fence: an attempt that is still loading its data fences nobody out', async () => {
    const store = await copyOf(encodedStore);
    let release = (): void => undefined;
    const loaded = new Promise<void>((resolve) => {
      release = resolve;
    });
    const first = run(openWorker(store, cacheDir).fineTune, input);
    const { slow, asked } = slowReads(store, loaded);
    const second = run(openWorker(slow, cacheDir).fineTune, input);
    await asked;
    assert.equal((await first).weights.sha256, untouched.weights.sha256);
    release();
    assert.deepEqual(await second, await first);
  });

  it('fence: two runs with one training end both, with one set of weights, however often they meet', async () => {
    const store = await copyOf(encodedStore);
    let attempts = 0;
    /** As Temporal would, with half a second for a minute. */
    const workflow = async (): Promise<FineTuneResult> => {
      const worker = openWorker(store, cacheDir);
      for (let number = 1; ; number++) {
        attempts += 1;
        try {
          return await run(worker.fineTune, input, attempt(number));
        } catch (error) {
          assert.ok(error instanceof ApplicationFailure && error.type === 'ATTEMPT_FENCED_OUT', String(error));
          await sleep(Number(error.nextRetryDelay ?? 1_000) / 120);
        }
      }
    };
    const [first, second] = await Promise.all([workflow(), workflow()]);
    assert.equal(first.weights.sha256, untouched.weights.sha256);
    assert.deepEqual(second.weights, first.weights);
    assert.ok(attempts <= 10, `${attempts} attempts`);
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
    const { cause, ...made } = untouched;
    assert.deepEqual([cause, tuned], ['new', { ...made, reused: true }]);
    assert.equal(written, 0);
  });

  it('make again what is gone, also where only another artifact names it', async () => {
    const store = await copyOf(finished);
    const artifacts = new ArtifactStore(store);
    const worker = openWorker(store, cacheDir);
    const spec = await artifacts.putJson('dataset-spec', { source, dataset });
    const { patients } = await run(worker.download, { spec });
    const { image } = await artifacts.getJson(patients[0]!.files, PatientFiles);
    store.delete(image[0]!.ref.key);
    assert.equal((await run(worker.download, { spec })).reused, false);
    assert.ok(await artifacts.has(image[0]!.ref));
    assert.equal((await run(worker.download, { spec })).reused, true);

    const [patient, { volume }] = [encoded[2]!, sliced[2]!];
    const { weights } = untouched;
    const scored = { model: input.model, weights, prompts, structures, test: [{ ...patient, volume }] };
    const first = await run(worker.evaluate, scored);
    const { patients: evaluated } = await artifacts.getJson(first.evaluation, Evaluation);
    store.delete(evaluated[0]!.predictions.key);
    const second = await run(worker.evaluate, scored);
    assert.deepEqual([second.reused, second.evaluation], [false, first.evaluation]);
    assert.ok(await artifacts.has(evaluated[0]!.predictions));
  });

  it('resume: a training whose last checkpoints are gone or damaged goes on from the one before them, to the bit', async () => {
    const store = await copyOf(finished);
    const chain = await chainOf(store);
    const [last, before] = [chain.at(-1)!, chain.at(-2)!];
    store.delete(last.checkpoint.key);
    await store.put(before.checkpoint.key, Buffer.from('cut off'));
    store.delete(untouched.weights.key);
    const resumed = await run(openWorker(store, cacheDir).fineTune, input, attempt(2));
    assert.equal(resumed.weights.sha256, untouched.weights.sha256);
    assert.equal(resumed.curves.sha256, untouched.curves.sha256);
  });

  it('branch: from the end of an epoch to the same bits where nothing is changed, as a result of its own', async () => {
    const store = await copyOf(finished);
    const branch = { of: untouched.key!, epoch: untouched.bestEpoch };
    const same = await run(openWorker(store, cacheDir).fineTune, { ...input, branch });
    assert.notEqual(same.key, untouched.key);
    assert.equal(same.reused, false);
    assert.deepEqual([same.weights, same.curves, same.steps], [untouched.weights, untouched.curves, untouched.steps]);
  });

  it('branch: with another rate, after the epochs that the checkpoint holds', async () => {
    const store = await copyOf(finished);
    const artifacts = new ArtifactStore(store);
    const rate = { ...training, learningRate: training.learningRate / 10 };
    const branch = { of: untouched.key!, epoch: 1 };
    const branched = await run(openWorker(store, cacheDir).fineTune, { ...input, training: rate, branch });
    const { epochs: before } = await artifacts.getJson(untouched.curves, Curves);
    const { epochs: after } = await artifacts.getJson(branched.curves, Curves);
    assert.deepEqual(after[0], before[0]);
    assert.equal(after.length, before.length);
    assert.notEqual(after[1]!.trainLoss, before[1]!.trainLoss);
    assert.ok(Math.abs(after[1]!.learningRate * 10 - before[1]!.learningRate) < 1e-9);
  });

  it('branch: not from another training, nor from an epoch that is not there', async () => {
    const worker = openWorker(await copyOf(finished), cacheDir);
    const branch = { of: untouched.key!, epoch: 1 };
    const other: [Partial<FineTuneInput>, RegExp][] = [
      [{ training: { ...training, loss: 'dice' } }, /training\.loss: .*BRANCH_DIFFERS/],
      [{ train: [encoded[2]!] }, /fine-tune: found other data.*BRANCH_DIFFERS/],
      [{ branch: { ...branch, epoch: training.epochs + 1 } }, /BRANCH_EPOCH/],
      [{ branch: { ...branch, of: branch.of.replace(/.{9}\.json$/, '000000000.json') } }, /BRANCH_EPOCH/],
    ];
    for (const [change, message] of other) {
      await assert.rejects(run(worker.fineTune, { ...input, branch, ...change }), { message });
    }
  });

  it('again: a training that is told to begins anew, not where the last one ended, and gives the same', async () => {
    const store = await copyOf(finished);
    const before = (await chainOf(store)).length;
    const fresh = '5b6f1f52-54a1-4c9c-8a0e-3f4f3d2a9b10';
    const forced = await run(openWorker(store, cacheDir).fineTune, { ...input, fresh } as FineTuneInput);
    assert.deepEqual([forced.cause, forced.key, forced.weights], ['forced', untouched.key, untouched.weights]);
    assert.equal((await chainOf(store)).length, 2 * before);
    assert.equal((await run(openWorker(store, cacheDir).fineTune, { ...input, fresh } as FineTuneInput)).reused, true);
  });

  it('decide nothing by the clock, which jumps forth and back by hours (F6)', async () => {
    const store = await copyOf(encodedStore);
    const now = Date.now;
    let asked = 0;
    const spy = mock.method(Date, 'now', () => now() + [3_600_000, -7_200_000, 86_400_000][asked++ % 3]!);
    try {
      const tuned = await run(openWorker(store, cacheDir).fineTune, input);
      assert.deepEqual([tuned.weights, tuned.curves], [untouched.weights, untouched.curves]);
      const again = await run(openWorker(store, cacheDir).fineTune, input);
      assert.deepEqual([again.reused, again.weights], [true, untouched.weights]);
    } finally {
      spy.mock.restore();
    }
  });

  it('close what they have opened where the rest cannot be opened', async () => {
    const store = await copyOf(encodedStore);
    const open = MaskDecoder.open;
    const opened: MaskDecoder[] = [];
    const spy = mock.method(MaskDecoder, 'open', async (...how: Parameters<typeof open>) => {
      if (opened.length === 1) throw new Error('no memory left');
      opened.push(await open(...how));
      return opened[0];
    });
    const [patient, { volume }] = [encoded[2]!, sliced[2]!];
    const weights = await new ArtifactStore(store).put(
      'weights',
      await new ArtifactStore(finished).get(untouched.weights),
    );
    const scored = { model: input.model, weights, prompts, structures, test: [{ ...patient, volume }] };
    await assert.rejects(run(openWorker(store, cacheDir).evaluate, scored), /no memory left/);
    spy.mock.restore();
    const embedding = new Uint16Array(1);
    await assert.rejects(opened[0]!.predict([{ embedding, box: [0, 0, 1, 1] }]), /thread ended/);
  });

  it('evaluate, infer and report on a patient whom the training never saw', async () => {
    const worker = openWorker(finished, cacheDir);
    const artifacts = new ArtifactStore(finished);
    const { model } = input;
    const { weights } = untouched;
    const [patient, { volume }] = [encoded[2]!, sliced[2]!];
    const asked = {
      ...{ model, weights, prompts, structures },
      test: [{ ...patient, volume }],
      val: [{ ...encoded[1]!, volume: sliced[1]!.volume }],
    };
    const evaluated: EvaluateResult = await run(worker.evaluate, asked);
    const metrics = { zeroShot: evaluated.zeroShot, fineTuned: evaluated.fineTuned };
    assert.ok(metrics.fineTuned.dice > metrics.zeroShot.dice + 0.1, JSON.stringify(metrics));

    const { volumes, patients } = await artifacts.getJson(evaluated.evaluation, Evaluation);
    const [lungs] = patients[0]!.structures!;
    assert.equal(lungs!.fineTuned.dice, metrics.fineTuned.dice);
    assert.ok(lungs!.fineTuned.hd95Mm! > 0 && lungs!.fineTuned.nsd!.length === 3, JSON.stringify(lungs));
    assert.match(volumes!.note!, /^One test patient/);
    // Chosen on the validation patient and nobody else.
    const { rule, by, patients: chosenOn, tried } = volumes!.postProcess;
    assert.deepEqual([by, chosenOn, tried.length], ['validation', [encoded[1]!.patient], 10]);
    assert.deepEqual(evaluated.postProcess, rule);
    const best = Math.max(...tried.map(({ dice }) => dice));
    assert.ok(rule ? tried.some(({ dice }) => dice >= tried[0]!.dice + 0.001) : best < tried[0]!.dice + 0.001);

    // Other ways to score need no model.
    let predicted = 0;
    finished.before = (key) => {
      if (key.startsWith('memo/predict/')) predicted += 1;
    };
    const evaluation = { tolerancesMm: [3], surface: 'voxel-edge' as const, postProcess: 'none' as const };
    const again = await run(worker.evaluate, { ...asked, evaluation });
    assert.deepEqual([again.reused, again.fineTuned, predicted], [false, metrics.fineTuned, 0]);
    assert.deepEqual([again.postProcess, again.summaries![0]!.fineTuning.at(-1)!.metric], [null, 'nsd@3mm']);

    const groups = { train: [encoded[0]!.patient], val: [encoded[1]!.patient], test: [patient.patient] };
    const packaged = await run(worker.package, {
      ...{ name: 'stages', target: 'lungs', structures, model, weights, metrics, slices, prompts, fingerprint: 'f' },
      train: [{ patient: encoded[0]!.patient, slices: encoded[0]!.slices }],
      learnedFrom: [...groups.train, ...groups.val],
      heldOut: groups.test,
      postProcess: { fillHoles: true, minComponentMm3: 0, largestComponent: false },
    });
    const mask = await run(worker.infer, { package: packaged.package, patient: patient.patient, volume });
    assert.equal(mask.prompts, 'lungs');
    assert.ok(mask.foregroundVoxels > 0 && mask.overlap!.dice > 0.2, JSON.stringify(mask.overlap));
    assert.deepEqual([mask.postProcess!.fillHoles, mask.scores![0]!.dice], [true, mask.overlap!.dice]);
    assert.ok(mask.scores![0]!.hd95Mm! > 0 && mask.overlapBefore!.dice > 0.2, JSON.stringify(mask));
    assert.equal(mask.probability, undefined);

    const likelihood = { package: packaged.package, patient: patient.patient, volume, probability: true };
    const both = await run(worker.infer, likelihood);
    assert.deepEqual([both.reused, both.mask.sha256], [false, mask.mask.sha256]);
    const [found, likely] = await Promise.all(
      [both.mask, both.probability!].map(async (ref) => readNifti(await artifacts.get(ref), ref.kind)),
    );
    assert.equal(likely!.datatype, 'float32');
    assert.deepEqual(likely!.voxelToWorld, found!.voxelToWorld);
    // The mask is where the probability is above a half, and in the holes of that, which were filled.
    assert.ok(likely!.voxels.every((value, at) => value <= 0.5 || found!.voxels[at] === 1));
    const filled = Array.from(likely!.voxels, (value, at) => Number(value <= 0.5 && found!.voxels[at] === 1)).reduce(
      (a, b) => a + b,
    );
    assert.ok(filled < 0.05 * both.foregroundVoxels, `${filled} of ${both.foregroundVoxels}`);
    assert.ok(likely!.voxels.every((value) => value >= 0 && value <= 1));

    const divided = await run(worker.split, {
      patients: sliced.map(({ patient, voxels, slices }) => ({
        patient,
        digest: voxels,
        labels: [1],
        slices,
        split: null,
      })),
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

  it('evaluate a model whose encoder learned, on validation patients whose embeddings were not kept', async () => {
    const store = await copyOf(encodedStore);
    const worker = openWorker(store, cacheDir);
    const [train, val] = encoded.slice(0, 2).map((patient) => ({ ...patient, shards: [] }));
    const few = { ...training, train: { lora: 2 }, epochs: 1 };
    const tuned = await run(worker.fineTune, { ...input, train: [train!], val: [val!], training: few });
    const { evaluation } = await run(worker.evaluate, {
      ...{ model: input.model, weights: tuned.weights, prompts, structures },
      test: [{ ...encoded[2]!, volume: sliced[2]!.volume }],
      val: [{ ...val!, volume: sliced[1]!.volume }],
    });
    const { volumes } = await new ArtifactStore(store).getJson(evaluation, Evaluation);
    const { patients, tried } = volumes!.postProcess;
    assert.deepEqual([patients, tried.length], [[val!.patient], 10]);
    assert.ok(tried[0]!.dice > 0, JSON.stringify(tried));
  });
});
