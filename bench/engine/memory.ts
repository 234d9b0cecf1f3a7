import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ReferenceProcess } from '../reference-process.ts';
import type { Run } from '../side-by-side.ts';
import { compare, type EngineRow, THREADS } from './bench.ts';

const SCRIPT = fileURLToPath(new URL('./training-memory.ts', import.meta.url));

const gibibytes = (bytes: number): number => bytes / 2 ** 30;

/** Each side in a process of its own, which makes three steps of eight boxes on kept embeddings. */
export const memoryRow: EngineRow = {
  name: 'memory',
  measure: async ({ say }) => {
    const row = await compare(
      {
        what: 'peak memory of training, 8 boxes on 8 embeddings: PyTorch / ours',
        ...{ target: 1.7, stretch: 2.5, repeats: 7, unit: 'GiB' },
        note: 'the reference has the whole model loaded, as SamModel is; ours what a run loads, without the encoder',
        ...{ reference: referencePeak, ours: ourPeak },
      },
      // Memory does not depend on what else the machine does.
      { say },
    );
    return [row];
  },
};

const referencePeak: Run = async () => {
  const reference = await ReferenceProcess.start({ threads: THREADS, device: 'cpu' });
  try {
    return gibibytes(await reference.run('memory'));
  } finally {
    await reference.close();
  }
};

const ourPeak: Run = async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', SCRIPT]);
  return gibibytes(Number(stdout));
};
