import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PreparedRun } from '../../cli/config/prepare.ts';
import { type Account, accountOf } from '../../cli/resume-proof/account.ts';
import { type ProofBucket, ProofInstallation } from '../../cli/resume-proof/installation.ts';
import { differences } from '../../cli/resume-proof/prove.ts';
import { pipelineInput } from '../../cli/start-run.ts';
import type { PipelineInput } from '../../contracts/pipeline.ts';
import type { Fault, Place } from './fault.ts';
import { inspected } from './invariants.ts';
import { OwnTemporal } from './own-temporal.ts';
import { type OpenScene, openScene, resultOf, startRun } from './scene.ts';

/** What became of a run that was disturbed. */
export interface Outcome {
  readonly fault: Pick<Fault, 'id' | 'title'>;
  readonly seconds: number;
  readonly retries: number;
  /** What does not hold, one sentence each. */
  readonly violations: readonly string[];
}

/** An account of a run, with how long it took. */
interface Untouched {
  readonly account: Account;
  readonly seconds: number;
}

/**
 * Servers and workers of our own, on which runs of one configuration are disturbed, each in a bucket that knows nothing of the
 * others, and are then held against one that nobody touched.
 */
export class Ground {
  readonly temporal: OwnTemporal;
  readonly installation: ProofInstallation;
  readonly #folder: string;
  readonly #prepared: PreparedRun;
  /** The same for all runs: the report names it. */
  readonly #run = `faults-${randomUUID().slice(0, 8)}`;
  #runs = 0;
  #untouched: Promise<Untouched> | undefined;

  private constructor(folder: string, prepared: PreparedRun, temporal: OwnTemporal, installation: ProofInstallation) {
    this.#folder = folder;
    this.#prepared = prepared;
    this.temporal = temporal;
    this.installation = installation;
  }

  static async open(prepared: PreparedRun, env: NodeJS.ProcessEnv): Promise<Ground> {
    const folder = await mkdtemp(join(tmpdir(), 'samflow-ground-'));
    const temporal = await OwnTemporal.start(env);
    try {
      const at = { temporalAddress: temporal.address };
      const installation = await ProofInstallation.open(join(folder, 'proof'), env, at);
      return new Ground(folder, prepared, temporal, installation);
    } catch (error) {
      await temporal.close();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.installation.close();
    await this.temporal.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** The run that nobody touches; made once. */
  untouched(): Promise<Untouched> {
    this.#untouched ??= this.#alone();
    return this.#untouched;
  }

  async #alone(): Promise<Untouched> {
    const bucket = this.installation.bucket('untouched');
    const { installation } = this;
    await Promise.all([installation.startWorker('io,cpu', bucket), installation.startWorker('gpu', bucket)]);
    const began = performance.now();
    const handle = await startRun(this.#run, await this.#input(bucket), installation);
    const account = await accountOf(await handle.result(), bucket);
    const seconds = (performance.now() - began) / 1000;
    await installation.stopWorkers();
    return { account, seconds };
  }

  /** Disturbs a run, and says what does not hold afterwards. */
  async provoke(fault: Fault): Promise<Outcome> {
    const untouched = await this.untouched();
    const { installation, temporal } = this;
    const name = `run-${++this.#runs}`;
    const folder = join(this.#folder, name);
    const closing: (() => Promise<void>)[] = [];
    const place: Place = { installation, temporal, folder, closing: (close) => void closing.push(close) };
    await mkdir(folder);
    let began = performance.now();
    const outcome = (violations: readonly string[], retries = 0): Outcome => ({
      ...{ fault, retries, violations },
      seconds: (performance.now() - began) / 1000,
    });
    try {
      const scene = await this.#begin(fault, place, installation.bucket(name));
      began = performance.now();
      const ended = fault.disturb(scene).then(() => resultOf(scene.latest()));
      const result = await within(untouched.seconds + fault.within, ended);
      const { seconds } = outcome([]);
      if (result === null) {
        const why = await scene.why();
        await scene.end();
        return outcome([`no end after ${seconds.toFixed(0)} s: ${why}`]);
      }
      await installation.stopWorkers();
      const account = await accountOf(result, scene.bucket);
      const runs = scene.runs.map(({ workflowId: id, firstExecutionRunId: run }) => ({ id, run }));
      const { retries, violations } = await inspected(runs, fault.retries, scene.bucket, installation);
      return { ...outcome([...differences(untouched.account, account), ...violations], retries), seconds };
    } catch (error) {
      return outcome([sentenceOf(error)]);
    } finally {
      await installation.stopWorkers();
      for (const close of closing) await close();
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Starts the workers as the fault wants them, and the run. */
  async #begin(fault: Fault, place: Place, bucket: ProofBucket): Promise<OpenScene> {
    const options = await fault.workers?.(place);
    const [gpu] = await Promise.all([
      this.installation.startWorker('gpu', bucket, options?.gpu),
      this.installation.startWorker('io,cpu', bucket, options?.others),
    ]);
    return openScene({ ...place, bucket }, gpu, this.#run, await this.#input(bucket));
  }

  async #input(bucket: ProofBucket): Promise<PipelineInput> {
    return pipelineInput(this.#prepared, bucket);
  }
}

/** A run's failure says only that there is one; what lies behind it says which. */
function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

/** Null where it takes longer. */
async function within<T>(seconds: number, work: Promise<T>): Promise<T | null> {
  const late = new AbortController();
  const bound = sleep(seconds * 1000, null, { signal: late.signal });
  return Promise.race([work, bound]).finally(() => late.abort());
}
