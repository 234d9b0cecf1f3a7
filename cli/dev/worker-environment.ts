import { POOLS, type Pool } from '../../contracts/queues.ts';

/** What a process needs of its machine: programs, folders, certificates, libraries of a GPU, and Node's own settings. */
const OF_THE_MACHINE =
  /^(PATH|HOME|USER|LOGNAME|TMPDIR|LANG|LC_\w+|NODE_\w+|SSL_CERT_(FILE|DIR)|LD_LIBRARY_PATH|(CUDA|NVIDIA|VK)_\w+|XDG_\w+)$/;
/** What samflow, the store's client and OpenTelemetry are told by their own variables. `TEMPORAL_…` is set anew for workers of ours. */
const OF_OURS = /^(SAMFLOW|AWS|OTEL)_\w+$/;
/** Accounts of sources and the key of the pseudonyms: of the pool that reaches out alone. */
const OF_THE_IO_POOL = /^(HF|KAGGLE|SAMFLOW_SOURCE)_\w+$|^SAMFLOW_PATIENT_KEY$/;
/** Of commands and of the codec's server: no worker reads them. */
const OF_NO_WORKER = /^SAMFLOW_(CODEC_TOKEN|SIGNING_KEY_FILE|TRUSTED_KEYS_FILE)$/;

/**
 * What a worker gets of the environment that somebody has opened a terminal with: a list of what it reads, so that tokens of other
 * programs stay where they are.
 */
export function workerEnvironment(env: NodeJS.ProcessEnv, pool: Pool): NodeJS.ProcessEnv {
  const isTold = (name: string): boolean => {
    if (OF_NO_WORKER.test(name)) return false;
    if (OF_THE_IO_POOL.test(name)) return pool === 'io';
    return OF_THE_MACHINE.test(name) || OF_OURS.test(name) || name === 'TEMPORAL_ADDRESS';
  };
  return ownMetrics(Object.fromEntries(Object.entries(env).filter(([name]) => isTold(name))), pool);
}

/** Workers on one machine need an address each: a port after another, in the order of the pools. */
export function ownMetrics(env: NodeJS.ProcessEnv, pool: Pool): NodeJS.ProcessEnv {
  const { SAMFLOW_METRICS: address = '' } = env;
  const [, host = '', port] = /^(.*:)?(\d+)$/.exec(address) ?? [];
  if (port === undefined) return { ...env };
  return { ...env, SAMFLOW_METRICS: `${host}${Number(port) + POOLS.indexOf(pool)}` };
}
