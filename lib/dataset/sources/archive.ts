import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { digestOf } from './digest.ts';
import { accessFault } from './faults.ts';
import type { SourceListing } from './source.ts';
import { openTar } from './tar.ts';
import { looksLikeTar } from './tar-headers.ts';
import { openZip } from './zip.ts';

export interface ArchiveOptions {
  readonly cacheDir: string;
  readonly signal?: AbortSignal | undefined;
  /** Names the archive in errors; default: the file's base name. */
  readonly at?: string;
  /** Where the archive is a copy of something that has a fingerprint of its own. */
  readonly fingerprint?: string;
}

/** A .zip, .tar or .tar.gz file on this machine; its first bytes say which. @throws Fault SOURCE_…, ZIP_…, TAR_… */
export async function openArchive(file: string, options: ArchiveOptions): Promise<SourceListing> {
  const start = await firstBytes(file);
  const at = options.at ?? basename(file);
  const fingerprint = options.fingerprint ?? (await fingerprintArchive(file));
  const gzipped = start[0] === 0x1f && start[1] === 0x8b;
  if (gzipped || looksLikeTar(start)) return openTar(file, { ...options, at, fingerprint, gzipped });
  return openZip(file, { at, fingerprint });
}

/** By its name alone; `.nii.gz` is none. */
export const isArchiveName = (path: string): boolean => /\.(zip|tar|tar\.gz|tgz)$/i.test(path);

/** Name, size and time: what is cheap to know of a file that may have many gigabytes. */
export async function fingerprintArchive(file: string): Promise<string> {
  const { size, mtimeMs } = await stat(file).catch((error: unknown) => {
    throw accessFault(file, error);
  });
  return digestOf(['zip', basename(file), size, Math.trunc(mtimeMs)]);
}

async function firstBytes(file: string): Promise<Uint8Array> {
  const start = Buffer.alloc(512);
  try {
    const handle = await open(file);
    await handle.read(start, 0, start.length, 0).finally(() => handle.close());
  } catch (error) {
    throw accessFault(file, error);
  }
  return start;
}
