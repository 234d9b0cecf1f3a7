import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Fault, isFault } from '../../fault.ts';
import { errnoOf } from '../../http/fetch-into.ts';
import { cacheFault } from './faults.ts';

export interface Download {
  /** Names the file in errors. */
  readonly at: string;
  /** Stands for one state of the remote file, so that a part is continued only with the same; null where nobody can tell. */
  readonly state: string | null;
  readonly sha256?: string | undefined;
  /** Fills the part up to the end, from where an earlier attempt has left it. */
  fill(part: string): Promise<void>;
}

/**
 * Fetches a file into the cache. It gets its name when it is whole and verified, so whoever finds the name finds the file.
 * @throws Fault SOURCE_DIGEST, SOURCE_CACHE, DISK_FULL, and those of `fill`
 */
export async function fetchIntoCache(file: string, { at, state, sha256, fill }: Download): Promise<void> {
  const part = `${file}.${state ?? randomUUID()}.part`;
  try {
    await mkdir(dirname(file), { recursive: true });
    await fill(part);
    if (sha256 !== undefined) await checkDigest(part, at, sha256);
    await rename(part, file);
  } catch (error) {
    const useless = isFault(error) && ['SOURCE_DIGEST', 'SOURCE_CHANGED'].includes(error.code);
    if (state === null || useless) await rm(part, { force: true }).catch(() => undefined);
    // Another process may have been faster with the same file.
    if (!(errnoOf(error) === 'ENOENT' && (await isFile(file)))) throw cacheFault(error);
  }
}

export async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => info.isFile(),
    () => false,
  );
}

/** @throws Fault SOURCE_DIGEST */
export async function checkDigest(file: string, at: string, sha256: string): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  const found = hash.digest('hex');
  if (found === sha256) return;
  throw new Fault('SOURCE_DIGEST', {
    at,
    found: `SHA-256 ${found}`,
    expected: sha256,
    fix: 'Check that `source.sha256` belongs to this file; if it does, do not use the file',
  });
}

/** Largest archive that is fetched. */
const MAX_ARCHIVE_BYTES = 256 * 2 ** 30;

/** @throws Fault SOURCE_TOO_LARGE */
export function checkLength(at: string, bytes: number, maxBytes = MAX_ARCHIVE_BYTES): void {
  if (bytes <= maxBytes) return;
  const fix = 'Download the archive yourself and use a source of kind `local`';
  throw new Fault('SOURCE_TOO_LARGE', { at, found: `${bytes} bytes`, expected: `at most ${maxBytes}`, fix });
}
