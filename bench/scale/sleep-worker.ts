import { setTimeout as sleep } from 'node:timers/promises';
import type { Activities } from '../../activities/index.ts';
import { openDataConverter } from '../../codec/data-converter.ts';
import type { Pool } from '../../contracts/queues.ts';
import type { EncodeShardInput, EncodeShardResult } from '../../contracts/stages.ts';
import { readWorkerConfig } from '../../workers/config.ts';
import { openLog } from '../../workers/log.ts';
import { createPool } from '../../workers/pools.ts';
import { installRuntime } from '../../workers/runtime.ts';
import { connectTemporal } from '../../workers/temporal.ts';

/** A worker process of a pool as it is, but for the work itself: `sleep-worker.ts POOL MILLISECONDS`. Ends by a signal. */
const [pool, milliseconds] = process.argv.slice(2) as [Pool, string];
const config = readWorkerConfig(['cpu'], process.env);
const log = openLog({ ...config.worker, logLevel: 'error' }, [pool]);
installRuntime(log, null, [pool]);
const dataConverter = openDataConverter(config.codec);
const temporal = { ...(await connectTemporal(log, new AbortController().signal, config)), dataConverter };

const activities = {
  async encodeShard({ slices, from, to }: EncodeShardInput): Promise<EncodeShardResult> {
    await sleep(Number(milliseconds));
    return { embeddings: { ...slices, kind: 'embeddings' }, from, to, reused: false, seconds: 0 };
  },
};
const options = { slots: 1, activitiesPerSecond: null, version: null };
const workers = await createPool(pool, options, activities as unknown as Activities, temporal, {
  metrics: null,
  tracing: null,
});
const running = workers.map((one) => one.run());
process.send?.('ready');
await Promise.all(running);
