import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../fault.ts';
import { withWorkFolder } from './work-folder.ts';

/** The name under which models look for their weights. */
const WEIGHTS = 'weights.bin';

/**
 * Writes a model and its weights into a folder of their own for as long as `use` takes. The runtime maps the weights
 * instead of copying them, so a large model is in memory once; what is mapped stays readable after the folder is gone.
 * @throws Fault DISK_FULL
 */
export function withModelFile<T>(
  { model, weights }: { model: Uint8Array; weights: readonly Uint8Array[] },
  use: (path: string) => Promise<T>,
): Promise<T> {
  return withWorkFolder(async (folder) => {
    const path = join(folder, 'model.onnx');
    await writeParts(path, [model]);
    await writeParts(join(folder, WEIGHTS), weights);
    return use(path);
  });
}

/** One part after the other, all of them. @throws Fault DISK_FULL */
export async function writeParts(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'w');
  try {
    // Not `write`: it may end short of the part, and only its result says so.
    for (const part of parts) await file.writeFile(part);
  } catch (error) {
    throw isFull(error) ? noRoom(parts) : error;
  } finally {
    await file.close();
  }
}

const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');

function noRoom(parts: readonly Uint8Array[]): Fault {
  const mebibytes = parts.reduce((bytes, part) => bytes + part.length, 0) / 2 ** 20;
  return new Fault('DISK_FULL', {
    at: 'TMPDIR of the worker',
    found: `no space left for a session's weights of ${Math.ceil(mebibytes)} MiB`,
    expected: 'room for the weights of every model in use',
    fix: 'Free space in the folder for temporary files, or let TMPDIR name one on a larger disk',
  });
}
