import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProofWorker } from '../../cli/resume-proof/installation.ts';
import type { Fault, Place } from './fault.ts';
import { drawIn, type Limit, onOwnDisk, seenBy, withoutLimits, withoutOwnDisk } from './limits.ts';

/**
 * Time for attempts in vain, of which each waits twice as long as the one before it. A worker that lacks something fails soon, and so
 * takes more than its share of what is tried again, also where another one has enough.
 */
const TRIES_SECONDS = 120;
const TRIES = 24;
/** More than any disk of these has; files that are empty come after them. */
const FULL_MEBIBYTES = 128;

/** F7: the disk of the gpu worker's temporary files and copies is full from its start on, and is emptied once that was said. */
export function fullDisk(options: string, what: string): Fault {
  let folder: string;
  return {
    ...{ id: 'F7', title: `the gpu worker’s disk has no ${what} from its start on, and then some` },
    ...{ within: TRIES_SECONDS, retries: TRIES, impossible: withoutOwnDisk },
    workers: async (place) => {
      folder = await diskFolder(place);
      return { gpu: { under: onOwnDisk(folder, options), env: onDisk(folder) } };
    },
    async disturb({ gpu, failure, told }) {
      const filler = await fill(gpu, folder);
      await failure(['DISK_FULL']);
      // Whoever looks at the run in the Web UI sees it too, from the third attempt on.
      await told('no space left');
      await filler.remove();
    },
  };
}

/** F7: the disk fills up while the run trains; another worker has room. */
export function fillingDisk(checkpoint: number): Fault {
  let folder: string;
  return {
    ...{ id: 'F7', title: `the gpu worker’s disk is full from checkpoint ${checkpoint} on, and another worker comes` },
    ...{ within: TRIES_SECONDS, retries: TRIES, impossible: withoutOwnDisk },
    workers: async (place) => {
      folder = await diskFolder(place);
      return { gpu: { under: onOwnDisk(folder, 'size=64m'), env: onDisk(folder) } };
    },
    async disturb({ gpu, checkpoints, failure, startGpu }) {
      await checkpoints(checkpoint);
      await fill(gpu, folder);
      await failure(['DISK_FULL']);
      await startGpu();
    },
  };
}

/** F7: the folder for temporary files is read-only; another worker's is not. */
export function readOnlyDisk(): Fault {
  return {
    ...{ id: 'F7', title: 'the gpu worker’s folder for temporary files is read-only, and another worker comes' },
    ...{ within: TRIES_SECONDS, retries: TRIES, impossible: withoutOwnDisk },
    workers: async (place) => {
      const folder = await diskFolder(place);
      return { gpu: { under: onOwnDisk(folder, 'ro'), env: onDisk(folder) } };
    },
    async disturb({ failure, startGpu }) {
      await failure(['DISK_DENIED']);
      await startGpu();
    },
  };
}

/** F7: the gpu worker comes to a limit while the run trains, which is let out once that was said. */
export function limitReached(limit: Limit, to: number, checkpoint: number, codes: readonly string[]): Fault {
  return {
    ...{
      id: 'F7',
      title: `the gpu worker has no more than ${to} (${limit}) from checkpoint ${checkpoint} on, and then has`,
    },
    ...{ within: TRIES_SECONDS, retries: TRIES, impossible: withoutLimits },
    async disturb({ gpu, checkpoints, failure }) {
      await checkpoints(checkpoint);
      const letOut = await drawIn(gpu.pid, limit, to);
      await failure(codes);
      await letOut();
    },
  };
}

/** Not 0: the system takes that for no limit. */
const LEAST_BYTES = 4096;

/** F8: the gpu worker gets no more memory while the run trains. It says so and gets some, or ends, and another one comes. */
export function memoryGone(checkpoint: number): Fault {
  return {
    ...{ id: 'F8', title: `the gpu worker gets no memory from checkpoint ${checkpoint} on` },
    ...{ within: TRIES_SECONDS, retries: TRIES, impossible: withoutLimits },
    async disturb({ gpu, checkpoints, failure, startGpu }) {
      await checkpoints(checkpoint);
      const letOut = await drawIn(gpu.pid, 'data', LEAST_BYTES);
      await Promise.race([failure(['WORKER_OUT_OF_MEMORY']), gpu.ended]);
      await (gpu.isGone() ? startGpu() : letOut());
    },
  };
}

/** F8: a gpu worker has too little memory for the model's sessions, or for itself, and another one has enough. */
export function littleMemory(env: Readonly<Record<string, string>>, under: readonly string[], title: string): Fault {
  return {
    ...{ id: 'F8', title },
    ...{ within: TRIES_SECONDS, retries: TRIES },
    workers: async () => ({ gpu: { env, under } }),
    async disturb({ gpu, failure, startGpu }) {
      await Promise.race([failure(['WORKER_OUT_OF_MEMORY']), gpu.ended]);
      await startGpu();
    },
  };
}

async function diskFolder({ folder }: Place): Promise<string> {
  const disk = join(folder, 'disk');
  await mkdir(disk);
  return disk;
}

const onDisk = (folder: string): Record<string, string> => ({
  TMPDIR: folder,
  SAMFLOW_CACHE_DIR: join(folder, 'copies'),
});

/** Takes what is left of a worker's own disk: its room, or its inodes. */
async function fill({ pid }: ProofWorker, folder: string): Promise<{ remove(): Promise<void> }> {
  const fillers = join(seenBy(pid, folder), 'fillers');
  await mkdir(fillers);
  const has = (written: Promise<void>): Promise<boolean> =>
    written.then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOSPC') throw error;
        return false;
      },
    );
  const piece = Buffer.alloc(2 ** 20);
  for (let at = 0; await has(writeFile(join(fillers, `${at}`), at < FULL_MEBIBYTES ? piece : '')); at++);
  return { remove: () => rm(fillers, { recursive: true, force: true }) };
}
