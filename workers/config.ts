import { availableParallelism } from 'node:os';
import type { z } from 'zod';
import {
  CodecEnvironment,
  expectedOf,
  StoreEnvironment,
  TransportEnvironment,
  WorkerEnvironment,
  wantsTraces,
} from '../contracts/environment.ts';
import { POOLS, type Pool } from '../contracts/queues.ts';
import { Fault } from '../lib/fault.ts';
import { reachOf } from '../lib/http/reach.ts';

export interface WorkerConfig {
  readonly pools: readonly Pool[];
  readonly store: StoreEnvironment;
  readonly worker: WorkerEnvironment;
  readonly traces: boolean;
  readonly codec: CodecEnvironment;
  readonly transport: TransportEnvironment;
}

/** Reads what a worker needs from its environment. @throws Fault WORKER_CONFIG naming the variable */
export function readWorkerConfig(pools: readonly string[], env: NodeJS.ProcessEnv): WorkerConfig {
  for (const pool of pools) {
    if (!(POOLS as readonly string[]).includes(pool)) {
      throw configFault(
        '--pool',
        pool ? `\`${pool}\`` : 'nothing',
        `some of ${POOLS.join(', ')}`,
        'Name pools, e.g. --pool io,cpu',
      );
    }
  }
  const config: WorkerConfig = {
    ...{ pools: pools as Pool[], store: read(StoreEnvironment, env), worker: read(WorkerEnvironment, env) },
    ...{ codec: read(CodecEnvironment, env), transport: read(TransportEnvironment, env) },
    traces: wantsTraces(env),
  };
  try {
    reachOf(config.worker.sourceHosts);
  } catch (error) {
    const expected = '`private`, addresses, ranges (10.0.0.0/8) and names of hosts, separated by commas';
    throw configFault('SAMFLOW_SOURCE_HOSTS', (error as Error).message, expected, 'Correct the word');
  }
  if (config.pools.includes('io') && config.worker.patientKey === null) {
    const fix = 'Set it to a secret of at least 16 characters, the same for every io worker';
    throw configFault('SAMFLOW_PATIENT_KEY', 'nothing', 'the key of the patients’ pseudonyms', fix);
  }
  return config;
}

function read<S extends z.ZodType>(schema: S, env: NodeJS.ProcessEnv): z.output<S> {
  // An empty variable is one that somebody left out in a compose file.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const name = String(issue.path[0] ?? 'environment');
  // The value is not shown: it may be a secret.
  throw configFault(name, 'a value that cannot be used', expectedOf(issue), `Correct ${name} or leave it out`);
}

function configFault(at: string, found: string, expected: string, fix: string): Fault {
  return new Fault('WORKER_CONFIG', { at, found, expected, fix });
}

/** Activities at a time. A device has one slot, so that a second attempt never starts beside one that hangs. */
export function slotsOf(pool: Pool, { cpuSlots, devices }: WorkerEnvironment): number {
  const slots = {
    io: 16,
    cpu: cpuSlots ?? Math.max(1, availableParallelism()),
    gpu: Math.max(1, devices.length),
  } satisfies Record<Pool, number>;
  return slots[pool];
}
