import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { WORKFLOWS } from '../../contracts/messages.ts';
import type { EncodeWorkflowInput } from '../../contracts/pipeline.ts';
import { type Pool, QUEUES } from '../../contracts/queues.ts';
import { SEARCH_ATTRIBUTES } from '../../contracts/search-attributes.ts';
import { startDevServers } from '../../infra/dev/servers.ts';
import { type BenchRow, load } from '../row.ts';

const WORKER = fileURLToPath(new URL('./sleep-worker.ts', import.meta.url));
/** The least that a shard is meant to take. */
const SHARD_MS = 1_000;
/** For each worker: as many times the work for as many workers. */
const SHARDS = 16;
/** As the pipeline asks for; see workflows/options.ts. */
const WIDTH = 16;
const TARGETS: readonly [workers: number, efficiency: number][] = [
  [2, 0.98],
  [4, 0.95],
  [8, 0.9],
];

/** What becomes of the workers' time when there are more of them: activities that only wait, so that the machine is no limit. */
export async function throughputRows(
  stateDir: string,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const options = { stateDir, env, ports: 'random', searchAttributes: SEARCH_ATTRIBUTES, report: say } as const;
  const servers = await startDevServers(options);
  const address = servers.temporalAddress;
  const connection = await Connection.connect({ address, connectTimeout: '30s' });
  const client = new Client({ connection });
  const started: ChildProcess[] = [];
  const start = async (pool: Pool): Promise<void> => {
    const child = fork(WORKER, [pool, String(SHARD_MS)], {
      env: { ...env, TEMPORAL_ADDRESS: address },
      execArgv: ['--import', 'tsx'],
    });
    started.push(child);
    await once(child, 'message');
  };
  try {
    await start('io');
    const seconds = new Map<number, number>();
    for (const workers of [1, ...TARGETS.map(([count]) => count)]) {
      while (started.length - 1 < workers) await start('gpu');
      await encode(client, 2 * workers);
      seconds.set(workers, await encode(client, SHARDS * workers));
      say(
        `${workers} worker(s): ${seconds.get(workers)!.toFixed(2)} s for ${SHARDS} shards of ${SHARD_MS / 1000} s each`,
      );
    }
    const alone = seconds.get(1)!;
    const inShards = (workers: number): string =>
      `${((100 * SHARDS * SHARD_MS) / 1000 / seconds.get(workers)!).toFixed(0)} %`;
    return TARGETS.map(([workers, target]) => ({
      what: `one gpu worker's time / that of ${workers} for ${workers} times the work`,
      value: alone / seconds.get(workers)!,
      target,
      sense: 'at least',
      unit: '',
      note: `${alone.toFixed(2)} s, ${seconds.get(workers)!.toFixed(2)} s, of which in shards ${inShards(1)}, ${inShards(workers)}; ${load()}`,
    }));
  } finally {
    for (const child of started) child.kill('SIGKILL');
    await connection.close();
    await servers.stop();
  }
}

let runs = 0;

/** Seconds of a fan-out over so many shards. */
async function encode(client: Client, shards: number): Promise<number> {
  const ref = (kind: string) => ({ kind, key: `cas/sha256/${'0'.repeat(64)}`, sha256: '0'.repeat(64), bytes: 1 });
  const input: EncodeWorkflowInput = {
    model: {
      ...{ name: 'none', origin: null, embeddingShape: [256, 64, 64] },
      ...{ config: ref('config'), preprocessor: ref('preprocessor'), weights: ref('weights') },
    },
    patients: [{ patient: 'p-000000000001', slices: ref('slices'), count: shards }],
    ...{ shardSlices: 1, width: WIDTH },
  };
  const begun = performance.now();
  const workflowId = `bench-${++runs}`;
  await client.workflow.execute(WORKFLOWS.encode, { taskQueue: QUEUES.workflow, workflowId, args: [input] });
  return (performance.now() - begun) / 1000;
}
