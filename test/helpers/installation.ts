import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  Client,
  Connection,
  type WorkflowClientInterceptor,
  type WorkflowHandleWithFirstExecutionRunId,
} from '@temporalio/client';
import { prepareRun } from '../../cli/config/prepare.ts';
import { openDataConverter } from '../../codec/data-converter.ts';
import { RunConfig, type RunConfigInput } from '../../contracts/config.ts';
import type { CrossValidationInput } from '../../contracts/cross-validation.ts';
import { WORKFLOWS } from '../../contracts/messages.ts';
import type { PipelineInput, RetrainInput } from '../../contracts/pipeline.ts';
import { QUEUES } from '../../contracts/queues.ts';
import { SEARCH_ATTRIBUTES } from '../../contracts/search-attributes.ts';
import { type DevServers, startDevServers } from '../../infra/dev/servers.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { S3Store } from '../../lib/artifacts/s3-store.ts';
import { structuresOf } from '../../lib/dataset/label-groups.ts';
import type { crossValidateWorkflow } from '../../workflows/cross-validate.ts';
import type { inferWorkflow } from '../../workflows/infer.ts';
import type { pipelineWorkflow } from '../../workflows/pipeline.ts';
import type { retrainWorkflow } from '../../workflows/retrain.ts';
import { testEnv } from './dev-servers.ts';
import type { Account } from './store-with-roles.ts';
import { until } from './until.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const COMMAND = join(ROOT, 'cli/samflow.mjs');
const SAM_TINY = join(ROOT, 'test/fixtures/sam-tiny');
/** Fixed, so that two buckets name the same patients alike. */
const PATIENT_KEY = 'the key of the patients of a test';

/** A run that takes seconds: the reference checkpoint on three small patients. */
export function smallRun(name: string, training: RunConfigInput['training'] = {}): RunConfigInput {
  return {
    name,
    source: { kind: 'phantom', patients: 3, seed: 7 },
    dataset: {
      target: 'lungs',
      pattern: { image: '3d_images/IMG_{patient}.nii.gz', mask: '3d_images/MASK_{patient}.nii.gz' },
    },
    model: { checkpoint: SAM_TINY },
    slices: { window: 'lung' },
    prompts: { automatic: 'lungs' },
    training,
  };
}

/** A worker process, started as anybody starts one. */
export interface WorkerProcess {
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  kill(signal: NodeJS.Signals): void;
  log(): Promise<string>;
}

/** A bucket, and what lies in it. */
export interface Bucket {
  readonly name: string;
  readonly store: S3Store;
  readonly artifacts: ArtifactStore;
}

export interface InstallationOptions {
  /** As SAMFLOW_CODEC_KEYS has them, of workers and client alike. */
  readonly codecKeys?: string | null;
  /** Of a Temporal server that somebody else has started. */
  readonly temporalAddress?: string;
  /** Where an S3 server of somebody else's listens, and the account of whoever asks without another. */
  readonly store?: { readonly endpoint: string; readonly account: Account };
  /** Of the client. */
  readonly interceptors?: readonly WorkflowClientInterceptor[];
}

/** Temporal, S3 and workers in processes of their own; buckets are installations that know nothing of each other. */
export class Installation {
  readonly client: Client;
  readonly #connection: Connection;
  readonly #servers: DevServers;
  readonly #codecKeys: string | null;
  readonly #stateDir: string;
  readonly #stores: S3Store[] = [];
  readonly #workers: { child: ChildProcess; process: WorkerProcess }[] = [];
  /** Rejects when a worker ends whom nobody has told to: a run would wait for it for ever. */
  readonly #lost: Promise<never>;
  #lose: (error: Error) => void = () => undefined;

  private constructor(
    stateDir: string,
    servers: DevServers,
    connection: Connection,
    { codecKeys = null, interceptors = [] }: InstallationOptions,
  ) {
    this.#stateDir = stateDir;
    this.#servers = servers;
    this.#connection = connection;
    this.#codecKeys = codecKeys;
    const dataConverter = openDataConverter({ keys: codecKeys, keysFile: null });
    this.client = new Client({ connection, dataConverter, interceptors: { workflow: [...interceptors] } });
    this.#lost = new Promise((_, reject) => {
      this.#lose = reject;
    });
    this.#lost.catch(() => undefined);
  }

  static async open(options: InstallationOptions = {}): Promise<Installation> {
    const stateDir = await mkdtemp(join(tmpdir(), 'samflow-installation-'));
    try {
      const servers = await startDevServers({
        ...{ stateDir, env: environmentOf(options), ports: 'random', searchAttributes: SEARCH_ATTRIBUTES },
        report: () => undefined,
      });
      const connection = await Connection.connect({ address: servers.temporalAddress, connectTimeout: '30s' });
      return new Installation(stateDir, servers, connection, options);
    } catch (error) {
      await rm(stateDir, { recursive: true, force: true });
      throw error;
    }
  }

  bucket(name: string): Bucket {
    const store = new S3Store({ ...this.#servers.s3, bucket: name, forcePathStyle: true });
    this.#stores.push(store);
    return { name, store, artifacts: new ArtifactStore(store) };
  }

  /** Of commands and workers: where the servers are, their accounts, and the keys of payloads. */
  environment({ name: bucket }: Bucket): NodeJS.ProcessEnv {
    const { endpoint, region, accessKeyId = '', secretAccessKey = '' } = this.#servers.s3;
    return {
      ...testEnv(),
      TEMPORAL_ADDRESS: this.#servers.temporalAddress,
      SAMFLOW_HOME: this.#stateDir,
      SAMFLOW_S3_ENDPOINT: endpoint,
      SAMFLOW_S3_REGION: region,
      SAMFLOW_S3_BUCKET: bucket,
      SAMFLOW_S3_ACCESS_KEY_ID: accessKeyId,
      SAMFLOW_S3_SECRET_ACCESS_KEY: secretAccessKey,
      ...(this.#codecKeys !== null && { SAMFLOW_CODEC_KEYS: this.#codecKeys }),
    };
  }

  /** Starts a worker of some pools on a bucket; resolves when it polls. */
  async startWorker(pools: string, bucket: Bucket, env: Record<string, string> = {}): Promise<WorkerProcess> {
    const logFile = join(this.#stateDir, 'logs', `${pools}-${this.#workers.length}.log`);
    const child = spawn(process.execPath, [COMMAND, 'worker', '--pool', pools], {
      cwd: this.#stateDir,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...this.environment(bucket),
        SAMFLOW_PATIENT_KEY: PATIENT_KEY,
        SAMFLOW_CACHE: join(this.#stateDir, 'cache'),
        SAMFLOW_LOG_FILE: logFile,
        ...env,
      },
    });
    const exited: WorkerProcess['exited'] = new Promise((resolve) => {
      child.on('exit', (code, signal) => {
        if (!child.killed) this.#lose(new Error(`the ${pools} worker ended by itself: ${signal ?? code}`));
        resolve({ code, signal });
      });
    });
    const log = (): Promise<string> => readFile(logFile, 'utf8').catch(() => '');
    const worker: WorkerProcess = { exited, log, kill: (signal) => void child.kill(signal) };
    this.#workers.push({ child, process: worker });
    await this.whileWorking(until(async () => (await log()).includes('"ready"'), 120));
    return worker;
  }

  /** Waits for something that needs all workers alive. */
  whileWorking<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#lost]);
  }

  /** Ends all workers, gently. */
  async stopWorkers(): Promise<void> {
    await Promise.all(
      this.#workers.map(async ({ child, process: { exited } }) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill('SIGTERM');
        const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
        await exited;
        clearTimeout(timer);
      }),
    );
  }

  /** Where the store listens. */
  get storeEndpoint(): string {
    return this.#servers.s3.endpoint;
  }

  /** What all workers have logged so far. */
  async logs(): Promise<string> {
    return (await Promise.all(this.#workers.map(({ process: { log } }) => log()))).join('');
  }

  /** Starts the pipeline as the command does, under an id of the test's own. */
  async startRun(
    workflowId: string,
    config: RunConfigInput,
    bucket: Bucket,
  ): Promise<WorkflowHandleWithFirstExecutionRunId<typeof pipelineWorkflow>> {
    return this.client.workflow.start<typeof pipelineWorkflow>(WORKFLOWS.pipeline, {
      ...{ workflowId, taskQueue: QUEUES.workflow, args: [await inputOf(config, bucket)] },
    });
  }

  /** The same for a configuration with folds. */
  async startFolds(
    workflowId: string,
    config: RunConfigInput,
    bucket: Bucket,
  ): Promise<WorkflowHandleWithFirstExecutionRunId<typeof crossValidateWorkflow>> {
    const input = (await inputOf(config, bucket)) as CrossValidationInput;
    return this.client.workflow.start<typeof crossValidateWorkflow>(WORKFLOWS.crossValidate, {
      ...{ workflowId, taskQueue: QUEUES.workflow, args: [input] },
    });
  }

  /** What a schedule does when its time has come. */
  async startRetraining(
    workflowId: string,
    config: RunConfigInput,
    bucket: Bucket,
    approval: NonNullable<RetrainInput['approval']>,
  ): Promise<WorkflowHandleWithFirstExecutionRunId<typeof retrainWorkflow>> {
    const input: RetrainInput = { ...(await inputOf(config, bucket)), approval };
    return this.client.workflow.start<typeof retrainWorkflow>(WORKFLOWS.retrain, {
      ...{ workflowId, taskQueue: QUEUES.workflow, args: [input] },
    });
  }

  /** Starts the segmentation of a scan that is in the store already. */
  startInfer(workflowId: string, input: Parameters<typeof inferWorkflow>[0]) {
    return this.client.workflow.start<typeof inferWorkflow>(WORKFLOWS.infer, {
      ...{ workflowId, taskQueue: QUEUES.workflow, args: [input] },
    });
  }

  /** Ends every process and removes every file. */
  async close(): Promise<void> {
    await this.stopWorkers();
    for (const store of this.#stores) store.close();
    await this.#connection.close();
    await this.#servers.stop();
    await rm(this.#stateDir, { recursive: true, force: true });
  }
}

const environmentOf = ({ temporalAddress, store }: InstallationOptions): NodeJS.ProcessEnv => ({
  ...testEnv(),
  ...(store && { SAMFLOW_S3_ENDPOINT: store.endpoint, ...signingIn(store.account) }),
  ...(temporalAddress !== undefined && { TEMPORAL_ADDRESS: temporalAddress }),
});

/** What a process signs in to the store with. */
export const signingIn = ({ accessKeyId, secretAccessKey }: Account): Record<string, string> => ({
  SAMFLOW_S3_ACCESS_KEY_ID: accessKeyId,
  SAMFLOW_S3_SECRET_ACCESS_KEY: secretAccessKey,
});

async function inputOf(config: RunConfigInput, { artifacts }: Bucket): Promise<PipelineInput> {
  const { config: read, spec, settings } = await prepareRun(RunConfig.parse(config));
  const ref = await artifacts.putJson('dataset-spec', spec);
  const { target, labels } = read.dataset;
  return { name: read.name, target, structures: structuresOf(target, labels), spec: ref, settings };
}

/** All objects under a prefix, as text, by key. */
export async function textsIn({ store }: Bucket, prefix: string): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for await (const { key } of store.list(prefix)) {
    texts.set(key, Buffer.from((await store.get(key))!.bytes).toString('utf8'));
  }
  return texts;
}

/** A link of a training's chain of checkpoints. */
export interface ChainStep {
  readonly step: number;
  readonly parent: number | null;
  readonly fence: number;
  readonly checkpoint: { readonly sha256: string };
}

/** The chain of the one training in a bucket, from its first step on. */
export async function chainIn(bucket: Bucket): Promise<ChainStep[]> {
  const texts = [...(await textsIn(bucket, 'runs/'))].filter(([key]) => key.includes('/steps/'));
  return texts.map(([, text]) => JSON.parse(text) as ChainStep).sort((a, b) => a.step - b.step);
}
