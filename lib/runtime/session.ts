import { Worker } from 'node:worker_threads';
import { type Device, refuseDevice } from './device.ts';
import { withModelFile } from './model-file.ts';
import type { Tensor } from './tensor.ts';

export type { Device } from './device.ts';

/** A model in one piece, or with its large constants apart, to lie in one file beside it. */
export type ModelSource = Uint8Array | { readonly model: Uint8Array; readonly weights: readonly Uint8Array[] };

export interface SessionOptions {
  /** What computes, `cpu` by default. One that is asked for and absent is refused, never replaced. */
  readonly device?: Device;
  /** Threads inside one operator. Fixed by the caller: the sums, and so the bits, depend on whether it is 1 or more. */
  readonly threads: number;
  readonly fold?: FoldOptions;
  /** No longer waits for the opening, which takes a second on a busy machine: a thread begins, and the model is built in it. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Work of the session's thread after each run: outputs of the model change what is kept there, in place, and need not
 * leave it. What it gives back is added to the run's results.
 */
export type Fold<Numbers extends Readonly<Record<string, number>> = Readonly<Record<string, number>>> = (
  kept: ReadonlyMap<string, Tensor>,
  outputs: Readonly<Record<string, Tensor>>,
  numbers: Numbers,
) => Record<string, Tensor>;

export interface FoldOptions {
  /** URL of a module that exports `fold`: a function does not cross into a thread. */
  readonly module: string;
  /** Outputs that it takes; the others are the run's results. */
  readonly outputs: readonly string[];
}

/** What the thread is asked; each request is answered in order with the same id. */
export type Request =
  | { kind: 'open'; model: Uint8Array | string; options: Omit<SessionOptions, 'signal'> }
  | { kind: 'check'; device: Device }
  | { kind: 'run'; feeds: Record<string, Tensor>; numbers: Readonly<Record<string, number>> }
  | { kind: 'write'; tensors: Record<string, Tensor> }
  | { kind: 'read'; names: readonly string[] }
  | { kind: 'close' };
export type Reply = { id: number; tensors: Record<string, Tensor> } | { id: number; error: string };

// tsx does not load a .ts file as a thread's entry under Node 20, so the entry is JavaScript that loads the rest.
const startThread = (): Worker => new Worker(new URL('./session-thread.mjs', import.meta.url));

/** Threads that have loaded the runtime before there is a session for them. */
const prepared = new Set<Worker>();

/**
 * Starts threads for the next sessions, which then open without the half second that a thread takes to load. For a process
 * that waits for work: those that are never used end with it.
 */
export function prepareSessions(count: number): void {
  for (let i = prepared.size; i < count; i++) {
    const thread = startThread();
    prepared.add(thread);
    // One that ends before it is used is none; whoever starts the next one hears why.
    thread.on('error', () => prepared.delete(thread));
    thread.on('exit', () => prepared.delete(thread));
    thread.unref();
  }
}

function takeThread(): Worker {
  const [thread] = prepared;
  if (!thread) return startThread();
  prepared.delete(thread);
  return thread;
}

/**
 * An ONNX model in a thread of its own. `run()` of the native runtime blocks its event loop for the whole computation;
 * here it blocks a thread that has nothing else to do, so heartbeats and cancellation go on.
 */
export class Session {
  private readonly thread: Worker;
  private readonly pending = new Map<
    number,
    { resolve: (tensors: Record<string, Tensor>) => void; reject: (error: Error) => void }
  >();
  private nextId = 0;
  private ended: Error | undefined;

  private constructor() {
    this.thread = takeThread();
    this.thread.on('message', (reply: Reply) => {
      const waiting = this.pending.get(reply.id);
      this.pending.delete(reply.id);
      if ('error' in reply) waiting?.reject(new Error(reply.error));
      else waiting?.resolve(reply.tensors);
    });
    this.thread.on('error', (error) => this.fail(error));
    this.thread.on('exit', (code) => this.fail(new Error(`the session's thread ended with code ${code}`)));
    this.thread.unref();
  }

  /**
   * Builds a session. Throws RUNTIME_PROVIDER where the device cannot be used, or another one would be, and at once the signal's reason
   * where it aborts meanwhile.
   */
  static async open(source: ModelSource, { signal, ...options }: SessionOptions): Promise<Session> {
    signal?.throwIfAborted();
    const opening = Session.build(source, options, signal);
    if (!signal) return opening;
    let abort = (): void => undefined;
    const aborted = new Promise<never>((_, reject) => {
      abort = () => reject(signal.reason);
    });
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await Promise.race([opening, aborted]);
    } catch (error) {
      if (signal.aborted) giveUp(opening);
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  private static async build(
    source: ModelSource,
    options: Omit<SessionOptions, 'signal'>,
    signal: AbortSignal | undefined,
  ): Promise<Session> {
    const device = options.device ?? 'cpu';
    await Promise.all(givenUp);
    signal?.throwIfAborted();
    const session = new Session();
    try {
      if (device !== 'cpu') await session.ask({ kind: 'check', device }).catch((error) => refuseDevice(device, error));
      if (source instanceof Uint8Array) await session.ask({ kind: 'open', model: source, options });
      else await withModelFile(source, (path) => session.ask({ kind: 'open', model: path, options }));
    } catch (error) {
      await session.thread.terminate();
      throw error;
    }
    return session;
  }

  /** Runs the model once. Feeds are copied, so the caller may reuse them; `numbers` are for the fold. */
  run(feeds: Record<string, Tensor>, numbers: Readonly<Record<string, number>> = {}): Promise<Record<string, Tensor>> {
    return this.ask({ kind: 'run', feeds, numbers });
  }

  /** Keeps tensors in the session: those named as an input of the model are fed to every run. */
  async write(tensors: Record<string, Tensor>): Promise<void> {
    await this.ask({ kind: 'write', tensors });
  }

  /** Reads kept tensors as the next run would see them. */
  read(names: readonly string[]): Promise<Record<string, Tensor>> {
    return this.ask({ kind: 'read', names });
  }

  /** Releases the native session and ends the thread. Safe to call twice. */
  async close(): Promise<void> {
    if (this.ended) return;
    await this.ask({ kind: 'close' }).catch(() => undefined);
    await this.thread.terminate();
  }

  private ask(request: Request): Promise<Record<string, Tensor>> {
    if (this.ended) return Promise.reject(this.ended);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve: this.settled(resolve), reject: this.settled(reject) });
      this.thread.ref();
      this.thread.postMessage({ id, ...request });
    });
  }

  /** An idle session must not keep the process alive. */
  private settled<T>(settle: (value: T) => void): (value: T) => void {
    return (value) => {
      if (this.pending.size === 0) this.thread.unref();
      settle(value);
    };
  }

  private fail(error: Error): void {
    this.ended ??= error;
    for (const { reject } of this.pending.values()) reject(this.ended);
    this.pending.clear();
  }
}

/** Openings that nobody waits for any more. The next one does: there is to be room for one model at a time. */
const givenUp = new Set<Promise<void>>();

/**
 * Lets an opening come to its end and closes what it gives. Its thread cannot be ended sooner: in the middle of native code that takes
 * the whole process with it.
 */
function giveUp(opening: Promise<Session>): void {
  const ended: Promise<void> = opening
    .then((session) => session.close())
    .catch(() => undefined)
    .finally(() => givenUp.delete(ended));
  givenUp.add(ended);
}
