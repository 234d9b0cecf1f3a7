import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { ActivityDeps } from '../activities/deps.ts';
import { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import { DiskCache } from '../lib/artifacts/disk-cache.ts';
import { observeAll } from '../lib/artifacts/requests.ts';
import { S3Store } from '../lib/artifacts/s3-store.ts';
import { reachOf } from '../lib/http/reach.ts';
import { type Device, prepareSessions } from '../lib/runtime/session.ts';
import { forgetWithStore } from './cache-forgetting.ts';
import { openCompute } from './compute.ts';
import type { WorkerConfig } from './config.ts';
import { measureCompute } from './measure.ts';
import type { Watchers } from './pools.ts';
import { SourceBuckets } from './source-buckets.ts';

export interface OpenDeps {
  readonly deps: ActivityDeps;
  readonly store: S3Store;
  /** Has threads ready for a training: a worker that follows on one that was lost has the time that this one is missed for. */
  prepare(): void;
  close(): Promise<void>;
}

/** One that trains and one that scores. */
const SESSIONS_OF_A_TRAINING = 2;

const NOBODY: Watchers = { metrics: null, tracing: null };

/** Builds everything that activities need, from the configuration. What they do is told to whoever watches. */
export function openDeps(
  config: WorkerConfig,
  { metrics, tracing }: Watchers = NOBODY,
  onCacheTrouble: (error: unknown) => void = () => undefined,
): OpenDeps {
  const { store: storeConfig, worker, pools } = config;
  const observe = observeAll([metrics?.requests, tracing?.requests]);
  const store = new S3Store({ ...storeConfig, observe });
  const reach = reachOf(worker.sourceHosts);
  const buckets = new SourceBuckets(store, config, reach, observe);
  // The io pool reads nothing twice.
  const isUseful = worker.diskCache !== null && pools.some((pool) => pool !== 'io');
  const cache = isUseful ? new DiskCache({ ...worker.diskCache!, onTrouble: onCacheTrouble }) : null;
  const endForgetting = cache ? forgetWithStore(cache, store) : () => {};
  const compute = openCompute(Math.max(1, availableParallelism()));
  return {
    store,
    deps: {
      store,
      compute: metrics ? measureCompute(compute, metrics) : compute,
      artifacts: new ArtifactStore(store, cache),
      cacheDir: worker.cacheDir,
      modelsDir: fileURLToPath(new URL('../models', import.meta.url)),
      openBucket: (bucket) => store.inBucket(bucket),
      hub: worker.hub,
      sources: { kaggle: worker.kaggle, openBucket: (place) => buckets.open(place), reach },
      patientKey: worker.patientKey,
      threads: worker.threads,
      embeddings: { memoryBytes: worker.embeddingsMemory, onTrouble: onCacheTrouble },
      devices: worker.devices as Device[],
      ...(metrics && { observer: metrics }),
    },
    prepare() {
      compute.prepare();
      prepareSessions(SESSIONS_OF_A_TRAINING);
    },
    async close() {
      endForgetting();
      await compute.close();
      buckets.close();
      store.close();
    },
  };
}
