import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker } from 'node:worker_threads';
import { ZSTDDecoder } from '@thewtex/zstddec';
import { encapsulate } from './dicom-capsule.ts';
import type { FramePixels } from './dicom-pixels.ts';
import { type StoredArray, storedType } from './dicom-stored.ts';
import { type Compiled, decodeFiles } from './gdcm.mjs';

/** Of the platform; Node's types leave it to those of browsers. */
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<object> };

let compiled: Promise<Compiled> | undefined;

/** Once for a process, at the first compressed slice: most data sets are NIfTI, and the module is large. */
async function compile(): Promise<Compiled> {
  const package_ = dirname(fileURLToPath(import.meta.resolve('@itk-wasm/dicom')));
  const pipeline = join(package_, 'pipelines', 'read-image-dicom-file-series');
  const unpacker = new ZSTDDecoder();
  await unpacker.init();
  const binary = unpacker.decode(new Uint8Array(await readFile(`${pipeline}.wasm.zst`)));
  return { script: `${pipeline}.js`, module: await WebAssembly.compile(new Uint8Array(binary)) };
}

/**
 * Stored values of compressed frames of one size, in one array; null where the decoder refuses one of them. Rescaling is
 * left to the caller.
 */
export async function decodeFrames(
  frames: readonly FramePixels[],
  limitBytes = memoryFor(frames),
): Promise<StoredArray | null> {
  compiled ??= compile();
  return whole(await decodeFiles(await compiled, frames.map(encapsulate), limitBytes), frames);
}

/** Largest memory of an instance: 64 MiB and eight times what goes in and comes out. More is a damaged stream's doing. */
const memoryFor = (frames: readonly FramePixels[]) =>
  frames.reduce(
    (sum, { bytes, rows, columns, bitsAllocated }) => sum + 8 * (bytes.length + (rows * columns * bitsAllocated) / 8),
    64 * 2 ** 20,
  );

/** The decoder makes of a frame what it likes; only what its header promised is taken. */
function whole(decoded: StoredArray | null, frames: readonly FramePixels[]): StoredArray | null {
  const [first] = frames as [FramePixels];
  const Stored = storedType(first);
  return decoded instanceof Stored && decoded.length === first.rows * first.columns * frames.length ? decoded : null;
}

/** A thread costs as much as some slices: fewer are not worth it. */
const SLICES_PER_THREAD = 6;

/** How many threads a series is worth. A thread of the cpu pool has none: the pool has one for each core as it is. */
export const threadsFor = (slices: number): number =>
  isMainThread ? Math.min(availableParallelism(), Math.floor(slices / SLICES_PER_THREAD)) : 0;

/**
 * Decodes batches of frames in threads; `take` is called with each that came whole, in any order. The others are left to
 * `decodeFrames`, which also tells which frame it was.
 */
export async function decodeInThreads(
  batches: readonly (readonly FramePixels[])[],
  threads: number,
  take: (batch: number, stored: StoredArray) => void,
): Promise<void> {
  compiled ??= compile();
  const workerData = await compiled;
  const waiting = batches.keys();
  const work = async (): Promise<void> => {
    const thread = idle.pop() ?? startThread(workerData);
    thread.ref();
    try {
      for (const batch of waiting) {
        const frames = batches[batch]!;
        const stored = whole(await ask(thread, frames), frames);
        if (stored) take(batch, stored);
      }
      rest(thread);
    } catch {
      // The thread is gone: what it would have done is left over.
      await thread.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, batches.length) }, work));
}

/** Threads without work, for the next series of a data set; they keep no process alive. */
const idle: Worker[] = [];
const IDLE_MS = 3000;

/** Without this process's own options: no loader is needed there. */
function startThread(workerData: Compiled): Worker {
  const thread = new Worker(new URL('./gdcm-thread.mjs', import.meta.url), { workerData, execArgv: [] });
  // One that ends while it rests is asked nothing more; what it ended with matters only to who waits for an answer.
  thread.on('error', () => {});
  thread.once('exit', () => forget(thread));
  return thread;
}

function rest(thread: Worker): void {
  thread.unref();
  idle.push(thread);
  setTimeout(() => {
    if (forget(thread)) void thread.terminate();
  }, IDLE_MS).unref();
}

function forget(thread: Worker): boolean {
  const at = idle.indexOf(thread);
  if (at >= 0) idle.splice(at, 1);
  return at >= 0;
}

/** One answer for one question. */
async function ask(thread: Worker, frames: readonly FramePixels[]): Promise<StoredArray | null> {
  const heard = new AbortController();
  // `once` rejects on an error of the thread; its end is none, but no answer either.
  const ended = once(thread, 'exit', { signal: heard.signal }).then(() => {
    throw new Error('the thread ended');
  });
  const answered = once(thread, 'message', { signal: heard.signal });
  thread.postMessage({ files: frames.map(encapsulate), limitBytes: memoryFor(frames) });
  try {
    const [decoded] = await Promise.race([answered, ended]);
    return decoded;
  } finally {
    heard.abort();
    await Promise.allSettled([answered, ended]);
  }
}
