import type { Client } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { ActivityDeps } from '../activities/deps.ts';
import { type Activities, createActivities } from '../activities/index.ts';
import type { PreparedRun } from '../cli/config/prepare.ts';
import type { SliceResult } from '../contracts/stages.ts';
import { structuresOf } from '../lib/dataset/label-groups.ts';
import type { WorkerConfig } from '../workers/config.ts';
import { openDeps } from '../workers/deps.ts';
import { shardSlices } from '../workflows/shards.ts';

export interface PlainRun {
  readonly seconds: number;
  /** Longest time between two heartbeats of one activity, ms; null where no activity lasted two intervals. */
  readonly longestHeartbeatGapMs: number | null;
}

/** What plain runs share, as the durable ones share their workers: threads that have started, a store. */
export interface PlainSide {
  run(prepared: PreparedRun): Promise<PlainRun>;
  close(): Promise<void>;
}

export async function openPlainly(config: WorkerConfig, client: Client): Promise<PlainSide> {
  const { deps, store, close } = openDeps(config);
  await store.ensureBucket();
  const activities = createActivities(deps);
  return { run: (prepared) => runPlainly(prepared, { deps, activities, client }), close };
}

interface Setting {
  readonly deps: ActivityDeps;
  readonly activities: Activities;
  /** Takes the signals of progress, which reach nobody. */
  readonly client: Client;
}

/**
 * The stages of a run as a plain script: the same activities over the same store, called one after another in one
 * process, without queues and history. What Temporal costs is measured against this.
 */
async function runPlainly(prepared: PreparedRun, { deps, activities, client }: Setting): Promise<PlainRun> {
  const gaps: number[] = [];
  const call = <K extends keyof Activities>(
    name: K,
    input: Parameters<Activities[K]>[0],
  ): ReturnType<Activities[K]> => {
    const environment = new MockActivityEnvironment({}, { client });
    let last = performance.now();
    environment.on('heartbeat', () => {
      gaps.push(performance.now() - last);
      last = performance.now();
    });
    return environment.run(activities[name] as never, input) as ReturnType<Activities[K]>;
  };

  const started = performance.now();
  const { name, dataset } = prepared.config;
  const structures = structuresOf(dataset.target, dataset.labels);
  const { model: modelConfig, slices, prompts, training, evaluation, split: how } = prepared.settings;
  const spec = await deps.artifacts.putJson('dataset-spec', prepared.spec);
  const [downloaded, { model }] = await Promise.all([
    call('download', { spec }),
    call('importModel', { checkpoint: modelConfig.checkpoint }),
  ]);
  const patients = await Promise.all(
    downloaded.patients.map(async ({ patient, files, split }) => {
      const { volume, voxels, labelsPresent } = await call('convert', { patient, files });
      const sliced = await call('slice', { patient, volume, slices });
      return { patient, split, volume, voxels, labelsPresent, sliced };
    }),
  );
  const groups = await call('split', {
    patients: patients.map(({ patient, split, voxels, labelsPresent, sliced }) => ({
      ...{ patient, split, digest: voxels, labels: labelsPresent },
      slices: sliced.slices,
    })),
    split: how,
  });
  const encoded = new Map<string, Awaited<ReturnType<typeof encodePatient>>>();
  for (const { patient, sliced } of patients) encoded.set(patient, await encodePatient(patient, sliced));
  const pick = (keys: readonly string[]) => keys.map((key) => encoded.get(key)!);
  const scanned = (keys: readonly string[]) =>
    keys.map((key) => ({
      ...encoded.get(key)!,
      volume: patients.find(({ patient }) => patient === key)!.volume,
    }));
  const test = scanned(groups.test);
  const { weights, curves, bestEpoch } = await call('fineTune', {
    ...{ model, prompts, training },
    train: pick(groups.train),
    val: pick(groups.val),
  });
  const evaluated = await call('evaluate', {
    ...{ model, weights, test, prompts, evaluation },
    structures,
    val: scanned(groups.val),
  });
  const metrics = { zeroShot: evaluated.zeroShot, fineTuned: evaluated.fineTuned };
  const packaged = await call('package', {
    ...{ name, target: dataset.target, structures, model, weights, metrics, slices, prompts, evaluation },
    postProcess: evaluated.postProcess ?? null,
    train: pick(groups.train).map(({ patient, slices }) => ({ patient, slices })),
    learnedFrom: [...groups.train, ...groups.val],
    heldOut: groups.test,
    fingerprint: downloaded.fingerprint,
  });
  const masks = [];
  for (const { patient, volume } of test)
    masks.push(await call('infer', { package: packaged.package, patient, volume }));
  await call('report', {
    ...{
      title: name,
      run: prepared.run,
      target: dataset.target,
      settings: prepared.settings,
      split: groups,
      bestEpoch,
      weights,
    },
    ...{ evaluation: evaluated.evaluation, curves, infer: masks, lineage: [] },
    test: test.map(({ patient, slices }) => ({ patient, slices })),
  });
  const seconds = (performance.now() - started) / 1000;
  return { seconds, longestHeartbeatGapMs: gaps.length > 0 ? Math.max(...gaps) : null };

  async function encodePatient(patient: string, { slices, count }: SliceResult) {
    const shards = [];
    const step = shardSlices(model);
    for (let from = 0; from < count; from += step) {
      const to = Math.min(count, from + step);
      const { embeddings } = await call('encodeShard', { model, slices, from, to });
      shards.push({ embeddings, from, to });
    }
    return { patient, slices, shards };
  }
}
