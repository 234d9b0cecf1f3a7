import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { ZipFile } from 'yazl';
import { phantomPair } from '../phantom.ts';
import { isFile } from './cache.ts';
import { digestOf } from './digest.ts';
import { cacheFault } from './faults.ts';

/** Goes up when the generator makes other voxels of the same seed, so that nothing old is taken for new. */
const PHANTOM_VERSION = 1;

export function fingerprintPhantom(patients: number, seed: number): string {
  return digestOf(['phantom', PHANTOM_VERSION, patients, seed]);
}

/** The phantom data set as an archive in the cache, so that it takes the very way of a real one. */
export async function phantomArchive(patients: number, seed: number, cacheDir: string): Promise<string> {
  const file = join(cacheDir, 'phantom', `${fingerprintPhantom(patients, seed)}.zip`);
  if (await isFile(file)) return file;
  await writePhantomZip(file, patients, seed).catch((error: unknown) => {
    throw cacheFault(error);
  });
  return file;
}

/** Writes the archive: laid out like the Kaggle lung set, and the same bytes for the same patients and seed. */
export async function writePhantomZip(file: string, patients: number, seed: number): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const pairs: ReturnType<typeof phantomPair>[] = [];
  for (let patient = 1; patient <= patients; patient++) {
    pairs.push(phantomPair(patient, seed));
    // Half a second a patient: between two of them the worker tells that it lives.
    await setImmediate();
  }
  const zip = new ZipFile();
  for (const { path, bytes } of [...pairs.map(([image]) => image), ...pairs.map(([, mask]) => mask)]) {
    // Gzipped already. `forceDosTimestamp`: without it yazl adds a field with the local time zone.
    const options = { compress: false, mtime: new Date(2000, 0, 1), mode: 0o100644, forceDosTimestamp: true };
    zip.addBuffer(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), path, options);
  }
  zip.end();
  const temporary = `${file}.${randomUUID()}.part`;
  try {
    await pipeline(zip.outputStream, createWriteStream(temporary));
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}
