import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { ActivityDeps } from '../activities/deps.ts';
import { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import { S3Store } from '../lib/artifacts/s3-store.ts';
import { reachOf } from '../lib/http/reach.ts';
import { openCompute } from './compute.ts';
import type { WorkerConfig } from './config.ts';
import { SourceBuckets } from './source-buckets.ts';

export interface OpenDeps {
  readonly deps: ActivityDeps;
  readonly store: S3Store;
  close(): Promise<void>;
}

/** Builds everything that activities need, from the configuration. */
export function openDeps(config: WorkerConfig): OpenDeps {
  const { store: storeConfig, worker } = config;
  const store = new S3Store(storeConfig);
  const reach = reachOf(worker.sourceHosts);
  const buckets = new SourceBuckets(store, config, reach);
  const compute = openCompute(Math.max(1, availableParallelism()));
  return {
    store,
    deps: {
      store,
      compute,
      artifacts: new ArtifactStore(store),
      cacheDir: worker.cacheDir,
      modelsDir: fileURLToPath(new URL('../models', import.meta.url)),
      openBucket: (bucket) => store.inBucket(bucket),
      hub: worker.hub,
      sources: { kaggle: worker.kaggle, openBucket: (place) => buckets.open(place), reach },
      patientKey: worker.patientKey,
      threads: worker.threads,
    },
    async close() {
      await compute.close();
      buckets.close();
      store.close();
    },
  };
}
