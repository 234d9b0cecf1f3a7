import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { checkFileSize } from './limits.ts';

/** A whole file. Fault VOLUME_TOO_LARGE, before anything is read; and what the file system says. */
export async function readVolumeFile(path: string): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    checkFileSize(size, basename(path));
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** The first bytes of a file, fewer where it has no more. */
export async function readHead(path: string, bytes: number): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
