import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../../contracts/search-attributes.ts';
import { isAlive } from '../../infra/dev/lock.mjs';
import { type DevServers, startDevServers } from '../../infra/dev/servers.ts';
import { supervise } from '../../infra/dev/supervisor.ts';
import { lastLine } from '../../infra/dev/tools.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { S3Store } from '../../lib/artifacts/s3-store.ts';
import { Fault } from '../../lib/fault.ts';

const COMMAND = fileURLToPath(new URL('../samflow.mjs', import.meta.url));
const READY_MS = 120_000;

export type Ending = 'SIGKILL' | 'SIGTERM';

/** A worker process that is there to be killed. */
export interface ProofWorker {
  readonly pid: number;
  readonly isGone: () => boolean;
  /** Resolves when it has ended, by whatever. */
  readonly ended: Promise<unknown>;
  /** What it has logged. */
  readonly log: () => Promise<string>;
  /** Sends a signal and waits for the end. */
  end(signal: Ending): Promise<{ ms: number; code: number | string | null }>;
}

/** How a worker differs from a plain one. */
export interface WorkerOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Stands before the worker's command and becomes it, under limits; `[]` for none. */
  readonly under?: readonly string[];
}

export interface ProofOpening {
  readonly signal?: AbortSignal;
  /** Of a Temporal server that somebody else has started. */
  readonly temporalAddress?: string;
}

/** A bucket: nothing that was made in another one is known in it. */
export interface ProofBucket {
  readonly name: string;
  readonly store: S3Store;
  readonly artifacts: ArtifactStore;
}

/** Servers of a proof's own, with workers that may be killed: none of the user's are touched. All of it ends with this process. */
export class ProofInstallation {
  readonly client: Client;
  readonly temporaryFiles: string;
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #servers: DevServers;
  readonly #connection: Connection;
  readonly #workers: ProofWorker[] = [];
  readonly #stores: S3Store[] = [];
  /** The same for all buckets, so that they name the same patients alike. */
  readonly #patientKey = randomBytes(24).toString('hex');

  private constructor(folder: string, env: NodeJS.ProcessEnv, servers: DevServers, connection: Connection) {
    this.#folder = folder;
    this.#env = env;
    this.#servers = servers;
    this.#connection = connection;
    this.client = new Client({ connection });
    this.temporaryFiles = join(folder, 'tmp');
  }

  /** @param folder of its own, removed when it is closed; `env` gives workers what sources and devices need */
  static async open(
    folder: string,
    env: NodeJS.ProcessEnv,
    { signal, temporalAddress }: ProofOpening = {},
  ): Promise<ProofInstallation> {
    // Servers and stores of the user's are not to be met.
    const own = Object.entries(env).filter(
      ([name]) => !/^(TEMPORAL|OTEL|SAMFLOW_(S3|HOME|LOG|HEALTH|PATIENT|CODEC|METRICS))/.test(name),
    );
    const plain: NodeJS.ProcessEnv = Object.fromEntries(own);
    const address = temporalAddress === undefined ? {} : { TEMPORAL_ADDRESS: temporalAddress };
    await mkdir(join(folder, 'tmp'), { recursive: true });
    const servers = await startDevServers({
      ...{
        stateDir: folder,
        env: { ...plain, ...address },
        ports: 'random',
        searchAttributes: SEARCH_ATTRIBUTES,
        signal,
      },
      report: () => undefined,
    });
    try {
      const connection = await Connection.connect({ address: servers.temporalAddress, connectTimeout: '30s' });
      return new ProofInstallation(folder, plain, servers, connection);
    } catch (error) {
      await servers.stop();
      throw error;
    }
  }

  /** Where the store listens, and its account. */
  get s3(): DevServers['s3'] {
    return this.#servers.s3;
  }

  bucket(name: string): ProofBucket {
    const store = new S3Store({ ...this.#servers.s3, bucket: name, forcePathStyle: true });
    this.#stores.push(store);
    return { name, store, artifacts: new ArtifactStore(store) };
  }

  /** Starts a worker on a bucket; resolves when it polls. @throws Fault WORKER_FAILED */
  async startWorker(
    pools: string,
    { name: bucket }: ProofBucket,
    { env: others = {}, under = [] }: WorkerOptions = {},
  ): Promise<ProofWorker> {
    const { endpoint, region, accessKeyId, secretAccessKey } = this.#servers.s3;
    const log = join(this.#folder, 'logs', `${pools}-${this.#workers.length}.log`);
    const env = {
      ...this.#env,
      TEMPORAL_ADDRESS: this.#servers.temporalAddress,
      SAMFLOW_S3_ENDPOINT: endpoint,
      SAMFLOW_S3_REGION: region,
      SAMFLOW_S3_BUCKET: bucket,
      ...(accessKeyId && { SAMFLOW_S3_ACCESS_KEY_ID: accessKeyId }),
      ...(secretAccessKey && { SAMFLOW_S3_SECRET_ACCESS_KEY: secretAccessKey }),
      SAMFLOW_PATIENT_KEY: this.#patientKey,
      SAMFLOW_CACHE: join(this.#folder, 'cache'),
      SAMFLOW_LOG_LEVEL: 'info',
      // By which a process of ours is known.
      PROOF_FOLDER: this.temporaryFiles,
      TMPDIR: this.temporaryFiles,
      ...others,
    };
    const [command, ...args] = [...under, process.execPath, COMMAND, 'worker', '--pool', pools];
    const lease = await supervise({
      children: [{ name: pools, command: command!, args, env, cwd: process.cwd(), log }],
      graceMs: 30_000,
    });
    const pid = lease.pids[pools]!;
    let gone = false;
    const ended = Promise.race([lease.exited, lease.stopped]).then((exit) => {
      gone = true;
      return exit?.code ?? null;
    });
    const worker: ProofWorker = {
      pid,
      ended,
      isGone: () => gone,
      log: () => readFile(log, 'utf8').catch(() => ''),
      end: async (signal) => {
        const began = performance.now();
        if (!gone) process.kill(pid, signal);
        const code = await ended;
        return { ms: performance.now() - began, code };
      },
    };
    this.#workers.push(worker);
    for (const end = Date.now() + READY_MS; ; await sleep(50)) {
      if ((await worker.log()).includes('"ready"')) return worker;
      if (!gone && Date.now() < end) continue;
      const found = `no worker after ${READY_MS / 1000} s: ${await lastLine(log)}`;
      throw new Fault('WORKER_FAILED', { at: pools, found, expected: 'a worker that polls', fix: `See ${log}` });
    }
  }

  /** Ends the workers that are there, gently. */
  async stopWorkers(): Promise<void> {
    await Promise.all(this.#workers.filter((worker) => !worker.isGone()).map((worker) => worker.end('SIGTERM')));
  }

  /** Processes of workers that should be gone and are not. */
  survivors(): number[] {
    return this.#workers.map(({ pid }) => pid).filter(isAlive);
  }

  /** Files of ours that workers have left in the folder for temporary ones. */
  async leftFiles(): Promise<string[]> {
    return (await readdir(this.temporaryFiles)).filter((name) => name.startsWith('samflow-'));
  }

  async close(): Promise<void> {
    await this.stopWorkers();
    for (const store of this.#stores) store.close();
    await this.#connection.close();
    await this.#servers.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
