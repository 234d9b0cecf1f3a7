import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { POOLS, type Pool } from '../../contracts/queues.ts';
import { withLock } from '../../infra/dev/lock.mjs';
import { joinSupervisor, type Lease, supervise } from '../../infra/dev/supervisor.ts';
import { lastLine } from '../../infra/dev/tools.ts';
import { Fault } from '../../lib/fault.ts';
import { workerEnvironment } from './worker-environment.ts';

const COMMAND = fileURLToPath(new URL('../samflow.mjs', import.meta.url));
/** A worker that ends by itself (a crash of native code, memory) is started again; one that does so at once is not. */
const RESTARTS = 5;
const RESTART_MS = 1_000;
const GRACE_MS = 10_000;

export interface DevWorkers {
  /** Resolves when a pool cannot be kept running. */
  readonly failed: Promise<Fault>;
  stop(options?: { keep?: boolean }): Promise<void>;
}

export interface DevWorkersOptions {
  readonly stateDir: string;
  /** The workers' environment: addresses and secrets. */
  readonly env: NodeJS.ProcessEnv;
  /** Tells the keys of payloads apart: who has others cannot read what these workers write. */
  readonly payloads: string;
  readonly report: (line: string) => void;
  /** Ends waiting for another samflow that starts them. */
  readonly signal?: AbortSignal | undefined;
}

/** One process for each pool, supervised: they end with the last samflow that uses them. Found again where they run already. */
export async function startDevWorkers(options: DevWorkersOptions): Promise<DevWorkers> {
  let fail: (fault: Fault) => void;
  const failed = new Promise<Fault>((resolve) => {
    fail = resolve;
  });
  const begun = await Promise.allSettled(POOLS.map((pool) => keepRunning(pool, options, (fault) => fail(fault))));
  const pools = begun.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const broken = begun.find((one) => one.status === 'rejected');
  if (broken) {
    await Promise.all(pools.map((pool) => pool.stop(false)));
    throw broken.reason;
  }
  return {
    failed,
    async stop({ keep = false } = {}) {
      await Promise.all(pools.map((pool) => pool.stop(keep)));
    },
  };
}

async function keepRunning(pool: Pool, options: DevWorkersOptions, fail: (fault: Fault) => void) {
  const { report } = options;
  let stopping = false;
  let restarts = 0;
  let lease = await joinOrStart(pool, options);
  let timer: NodeJS.Timeout | undefined;
  let restarting: Promise<void> | undefined;

  const watch = (): void => {
    void lease.exited.then(async ({ code, signal }) => {
      if (stopping) return;
      const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
      if (code === 2 || restarts === RESTARTS) return fail(await poolFailed(pool, how, options.stateDir));
      restarts += 1;
      report(`the ${pool} worker ${how}; starting it again`);
      timer = setTimeout(() => {
        restarting = restart();
      }, RESTART_MS);
    });
  };
  const restart = async (): Promise<void> => {
    try {
      lease = await joinOrStart(pool, options);
    } catch (error) {
      return fail(await poolFailed(pool, `could not be started again (${error})`, options.stateDir));
    }
    if (!stopping) watch();
  };
  watch();
  return {
    async stop(keep: boolean): Promise<void> {
      stopping = true;
      clearTimeout(timer);
      await restarting;
      await (keep ? lease.keep() : lease.release());
    },
  };
}

/** What a running worker leaves for the next samflow to find. */
interface State {
  readonly servers: string;
  readonly payloads: string;
  readonly pid: number;
}

/** Under a lock: every samflow that uses a worker sees it end, and only one may start the next. */
const joinOrStart = (pool: Pool, options: DevWorkersOptions): Promise<Lease> =>
  withLock(
    join(options.stateDir, `worker-${pool}.lock`),
    async () => (await rejoin(pool, options)) ?? (await start(pool, options)),
    { signal: options.signal },
  );

async function rejoin(pool: Pool, { stateDir, env, payloads }: DevWorkersOptions): Promise<Lease | null> {
  const state = await readState(stateDir, pool);
  const lease = state && (await joinSupervisor(socketFile(stateDir, pool)));
  if (!lease) return null;
  if (state.servers === serversOf(env)) {
    if (state.payloads === payloads) return lease;
    await lease.release();
    throw otherPayloads(pool);
  }
  // It serves other addresses than those of now: the servers were started anew.
  await lease.stop();
  return null;
}

async function start(pool: Pool, { stateDir, env, payloads }: DevWorkersOptions): Promise<Lease> {
  const args = [COMMAND, 'worker', '--pool', pool];
  const log = join(stateDir, 'logs', `worker-${pool}.log`);
  const lease = await supervise({
    children: [
      { name: pool, command: process.execPath, args, env: workerEnvironment(env, pool), cwd: process.cwd(), log },
    ],
    socket: socketFile(stateDir, pool),
    stateFile: stateFile(stateDir, pool),
    graceMs: GRACE_MS,
  });
  await lease.ready({ servers: serversOf(env), payloads, pid: lease.pids[pool]! } satisfies State);
  return lease;
}

const serversOf = (env: NodeJS.ProcessEnv): string => `${env.TEMPORAL_ADDRESS} ${env.SAMFLOW_S3_ENDPOINT}`;
const stateFile = (stateDir: string, pool: Pool): string => join(stateDir, `worker-${pool}.json`);

/** In the state folder; but a socket's path may have about a hundred characters and no more. */
function socketFile(stateDir: string, pool: Pool): string {
  const inside = join(stateDir, `worker-${pool}.sock`);
  if (Buffer.byteLength(inside) < 100) return inside;
  const digest = createHash('sha256').update(stateDir).digest('hex').slice(0, 16);
  return join(tmpdir(), `samflow-${digest}-${pool}.sock`);
}

async function readState(stateDir: string, pool: Pool): Promise<State | null> {
  try {
    return JSON.parse(await readFile(stateFile(stateDir, pool), 'utf8'));
  } catch {
    return null;
  }
}

function otherPayloads(pool: Pool): Fault {
  return new Fault('SERVERS_DIFFER', {
    at: 'SAMFLOW_CODEC_KEYS',
    found: `a ${pool} worker of another samflow under other keys`,
    expected: 'the same keys for every samflow that shares a state folder',
    fix: 'Stop the other samflow, or set the keys as it has them',
  });
}

async function poolFailed(pool: Pool, how: string, stateDir: string): Promise<Fault> {
  const log = join(stateDir, 'logs', `worker-${pool}.log`);
  const found = `${how}: ${await lastLine(log)}`;
  return new Fault('WORKER_FAILED', { at: `${pool} worker`, found, expected: 'a running worker', fix: `See ${log}` });
}

/** Ends the workers of a state folder, whoever uses them. False when none ran. */
export async function stopDevWorkers(stateDir: string): Promise<boolean> {
  const leases = await Promise.all(POOLS.map((pool) => joinSupervisor(socketFile(stateDir, pool))));
  await Promise.all(leases.map((lease) => lease?.stop()));
  return leases.some((lease) => lease !== null);
}
