import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { ActivityDeps, Compute } from '../../activities/deps.ts';
import { type Activities, createActivities } from '../../activities/index.ts';
import { tasks } from '../../activities/tasks.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import type { ObjectStore } from '../../lib/artifacts/store.ts';

/** The stages as activities over a store, without Temporal and without threads. */

const MODELS = fileURLToPath(new URL('../fixtures', import.meta.url));

/** Tasks run here and now: threads are the business of workers/. */
const compute: Compute = {
  async run(name, input, signal) {
    signal.throwIfAborted();
    return (await (tasks[name] as (input: unknown) => unknown)(input)) as never;
  },
};

/** Nobody's account at Kaggle, and these buckets. */
const withoutAccess = (openBucket: () => ObjectStore): ActivityDeps['sources'] => ({
  kaggle: { endpoint: 'http://127.0.0.1:1', username: null, key: null, token: null, configDir: '' },
  openBucket,
});

/** A worker of its own over a store that it may share: nothing in memory is common to two of them. */
export function openWorker(store: ObjectStore, cacheDir: string, more: Partial<ActivityDeps> = {}): Activities {
  const artifacts = new ArtifactStore(store);
  const deps: ActivityDeps = {
    ...{ artifacts, store, compute, cacheDir, threads: 2, modelsDir: MODELS },
    ...{ patientKey: 'a secret of many letters', hub: { endpoint: 'http://127.0.0.1:1', token: null } },
    openBucket: () => store,
    sources: withoutAccess(() => store),
    ...more,
  };
  return createActivities(deps);
}

/** An environment of an attempt. What it tells the workflow is heard by nobody. */
export function attempt(number = 1): MockActivityEnvironment {
  const client = {
    workflow: { getHandle: () => ({ signal: async () => undefined }) },
    withAbortSignal: <T>(_: AbortSignal, work: () => Promise<T>) => work(),
  };
  const logger = new DefaultLogger('ERROR');
  return new MockActivityEnvironment({ attempt: number }, { client: client as unknown as Client, logger });
}

export const run = <I, R>(stage: (input: I) => Promise<R>, input: I, environment = attempt()): Promise<R> =>
  environment.run(stage as (...args: unknown[]) => Promise<R>, input);
