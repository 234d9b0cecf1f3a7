import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { ActivityDeps } from '../activities/deps.ts';
import { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import { DiskCache } from '../lib/artifacts/disk-cache.ts';
import { S3Store } from '../lib/artifacts/s3-store.ts';
import type { Device } from '../lib/runtime/session.ts';
import { openCompute } from './compute.ts';
import type { WorkerConfig } from './config.ts';
import { SourceBuckets } from './source-buckets.ts';

export interface OpenDeps {
  readonly deps: ActivityDeps;
  readonly store: S3Store;
  close(): Promise<void>;
}

/** Builds everything that activities need, from the configuration. */
export function openDeps(config: WorkerConfig, onCacheTrouble: (error: unknown) => void = () => undefined): OpenDeps {
  const { store: storeConfig, worker, pools } = config;
  const store = new S3Store(storeConfig);
  const buckets = new SourceBuckets(store, config);
  // The io pool reads nothing twice.
  const isUseful = worker.diskCache !== null && pools.some((pool) => pool !== 'io');
  const cache = isUseful ? new DiskCache({ ...worker.diskCache!, onTrouble: onCacheTrouble }) : null;
  const compute = openCompute(Math.max(1, availableParallelism()));
  return {
    store,
    deps: {
      store,
      compute,
      artifacts: new ArtifactStore(store, cache),
      cacheDir: worker.cacheDir,
      modelsDir: fileURLToPath(new URL('../models', import.meta.url)),
      openBucket: (bucket) => store.inBucket(bucket),
      hub: worker.hub,
      sources: { kaggle: worker.kaggle, openBucket: (place) => buckets.open(place) },
      patientKey: worker.patientKey,
      threads: worker.threads,
      devices: worker.devices as Device[],
    },
    async close() {
      await compute.close();
      buckets.close();
      store.close();
    },
  };
}
