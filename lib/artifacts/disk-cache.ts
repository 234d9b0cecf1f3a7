import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactRef } from '../../contracts/artifact.ts';
import { sha256OfLarge } from './keys.ts';

/** A place for bytes that have been fetched or made once. It may forget anything at any time. */
export interface BlobCache {
  /** The bytes, verified, in memory of their own; null where they are not here. Never throws. */
  get(ref: ArtifactRef): Promise<Uint8Array | null>;
  /** Bytes [from, to) of it, not verified; null where they are not here. Never throws. */
  part(ref: ArtifactRef, from: number, to: number): Promise<Uint8Array | null>;
  /** Whether so many bytes may be kept in it for long beside those of others. */
  hasRoom(bytes: number): boolean;
  /** Keeps a copy if it can. Never throws. */
  put(ref: ArtifactRef, bytes: Uint8Array): Promise<void>;
}

export interface DiskCacheOptions {
  /** Created where it is missing, for its owner alone: it holds patients' pixels. */
  readonly dir: string;
  /** All files together, those that are being written too. */
  readonly maxBytes: number;
  /** What went wrong with the disk: the work goes on without the cache. */
  readonly onTrouble?: (error: unknown) => void;
}

/** What is read more than once and is dear to fetch. Everything else would only push these out. */
const KEPT = new Set(['weights', 'decoder', 'embeddings', 'embedding-index', 'slices']);
/** Files that are ours; whatever else lies in the folder is left alone. */
const NAME = /^[0-9a-f]{64}(\.[0-9a-f]{12}\.part)?$/;
/** A file that is still called so after this was left by a process that has ended. */
const UNFINISHED = '.part';
const ABANDONED_MS = 3_600_000;
/** Once there is too much, so much is left of it: then nobody need count for a while. */
const AFTER_CLEARING = 0.95;
/** Processes that may share a folder without one of them overstepping the bound between two counts. */
const SHARERS = 8;
/** The system reads and writes less than 2 GiB at a time. */
const PIECE_BYTES = 2 ** 26;

/**
 * Artifacts on the worker's own disk, under their hash: bounded in size, the longest unused go first. Processes share a folder
 * without a lock: a file appears whole or not at all (it is written beside and renamed), is verified whenever it is read, and
 * may vanish at any moment, by another process or by hand; then it is fetched again.
 */
export class DiskCache implements BlobCache {
  readonly #options: DiskCacheOptions;
  /** Bytes that may be written before the folder is counted again. */
  #slack = 0;

  constructor(options: DiskCacheOptions) {
    this.#options = options;
  }

  async get(ref: ArtifactRef): Promise<Uint8Array | null> {
    if (!KEPT.has(ref.kind)) return null;
    const path = this.#path(ref);
    try {
      const bytes = await readBytes(path, ref.bytes);
      if (bytes && (await sha256OfLarge(bytes)) === ref.sha256) {
        // The time of the last use; access times are switched off on many disks.
        const now = new Date();
        await utimes(path, now, now).catch(ignoreMissing);
        return bytes;
      }
      await rm(path, { force: true });
    } catch (error) {
      if (!isMissing(error)) this.#options.onTrouble?.(error);
    }
    return null;
  }

  async part(ref: ArtifactRef, from: number, to: number): Promise<Uint8Array | null> {
    const path = this.#path(ref);
    try {
      const bytes = await readBytes(path, ref.bytes, from, to);
      const now = new Date();
      await utimes(path, now, now).catch(ignoreMissing);
      return bytes;
    } catch (error) {
      if (!isMissing(error)) this.#options.onTrouble?.(error);
      return null;
    }
  }

  hasRoom(bytes: number): boolean {
    return bytes <= this.#options.maxBytes / 2;
  }

  async put(ref: ArtifactRef, bytes: Uint8Array): Promise<void> {
    const { dir, maxBytes, onTrouble } = this.#options;
    if (!KEPT.has(ref.kind) || bytes.length > maxBytes) return;
    const path = this.#path(ref);
    const beside = `${path}.${randomBytes(6).toString('hex')}${UNFINISHED}`;
    try {
      if ((await sizeOf(path)) === bytes.length) return;
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const file = await open(beside, 'wx', 0o600);
      try {
        // Its full size at once: whoever makes room counts it.
        await file.truncate(bytes.length);
        await this.#makeRoom(beside, bytes.length);
        await writeWhole(file, bytes);
      } finally {
        await file.close();
      }
      await rename(beside, path);
    } catch (error) {
      await rm(beside, { force: true }).catch(() => undefined);
      // Somebody has deleted the folder under our hands: nothing is wrong.
      if (!isMissing(error)) onTrouble?.(error);
    }
  }

  /**
   * Deletes the copies of what is gone from where they came. Gives their number. What cannot be asked about stays. Files that are
   * being written are left to the next time.
   */
  async forget(isGone: (sha256: string) => Promise<boolean>): Promise<number> {
    const { dir, onTrouble } = this.#options;
    let forgotten = 0;
    try {
      const names = await readdir(dir).catch(ignoreMissing);
      for (const name of names ?? []) {
        if (!NAME.test(name) || name.endsWith(UNFINISHED) || !(await isGone(name).catch(() => false))) continue;
        await rm(join(dir, name), { force: true });
        forgotten += 1;
      }
    } catch (error) {
      onTrouble?.(error);
    }
    return forgotten;
  }

  #path({ sha256 }: ArtifactRef): string {
    return join(this.#options.dir, sha256);
  }

  /** Deletes the longest unused files until all fit, `keep` of so many bytes among them. */
  async #makeRoom(keep: string, bytes: number): Promise<void> {
    this.#slack -= bytes;
    if (this.#slack >= 0) return;
    const { dir, maxBytes } = this.#options;
    const names = (await readdir(dir)).filter((name) => NAME.test(name));
    const files = await Promise.all(names.map((name) => this.#look(join(dir, name))));
    const present = files.filter((file) => file !== null).sort((a, b) => a.used - b.used);
    let total = present.reduce((sum, { bytes }) => sum + bytes, 0);
    const enough = total > maxBytes ? maxBytes * AFTER_CLEARING : maxBytes;
    for (const { path, bytes, used } of present) {
      const isUnfinished = path.endsWith(UNFINISHED);
      const isAbandoned = isUnfinished && Date.now() - used > ABANDONED_MS;
      if (path === keep || (isUnfinished ? !isAbandoned : total <= enough)) continue;
      await rm(path, { force: true });
      total -= bytes;
    }
    this.#slack = Math.max(0, maxBytes - total) / SHARERS;
  }

  async #look(path: string): Promise<{ path: string; bytes: number; used: number } | null> {
    const found = await stat(path).catch(ignoreMissing);
    return found?.isFile() ? { path, bytes: found.size, used: found.mtimeMs } : null;
  }
}

/** All of it, or bytes [from, to). Null where the file has another size. */
async function readBytes(path: string, size: number, from = 0, to = size): Promise<Uint8Array | null> {
  const file = await open(path, 'r');
  try {
    if ((await file.stat()).size !== size) return null;
    const bytes = Buffer.allocUnsafeSlow(to - from);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(PIECE_BYTES, bytes.length - at), from + at);
      if (bytesRead === 0) return null;
      at += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

async function writeWhole(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, Math.min(PIECE_BYTES, bytes.length - at), at);
    at += bytesWritten;
  }
}

async function sizeOf(path: string): Promise<number | null> {
  return (await stat(path).catch(ignoreMissing))?.size ?? null;
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

function ignoreMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}
