import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { isFile } from './cache.ts';
import { digestOf } from './digest.ts';
import { checkRatio, checkTotal } from './entries.ts';
import { accessFault, cacheFault } from './faults.ts';
import { noTar, TAR_CODES, tarDamaged } from './tar-faults.ts';
import { looksLikeTar } from './tar-headers.ts';

export interface GunzipOptions {
  readonly at: string;
  readonly fingerprint: string;
  readonly cacheDir: string;
  readonly signal?: AbortSignal | undefined;
}

/** Unpacks a .tar.gz to a .tar in the cache, or finds it there. Gives its path. @throws Fault TAR_INVALID, TAR_DAMAGED, TAR_BOMB */
export async function gunzipTar(file: string, options: GunzipOptions): Promise<string> {
  const { size, ino, ctimeMs } = await stat(file).catch((error: unknown) => {
    throw accessFault(file, error);
  });
  const folder = join(options.cacheDir, 'tar');
  // A fingerprint of name, size and date is not enough to take another file's content for this one's.
  const target = join(folder, `${digestOf([options.fingerprint, size, ino, ctimeMs])}.tar`);
  if (await isFile(target)) return target;
  const temporary = `${target}.${randomUUID()}.part`;
  try {
    await mkdir(folder, { recursive: true });
    const bounded = (chunks: AsyncIterable<Uint8Array>) => boundedTar(chunks, size, options.at);
    const { signal } = options;
    await pipeline(createReadStream(file), createGunzip(), bounded, createWriteStream(temporary), {
      ...(signal && { signal }),
    });
    await rename(temporary, target);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw unpackFault(file, options.at, error);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
  return target;
}

/** Passes the bytes on as long as they are a tar archive, and not far more than their packed size lets expect. */
async function* boundedTar(chunks: AsyncIterable<Uint8Array>, packedBytes: number, at: string) {
  let total = 0;
  /** Bytes that are too few yet to tell what they are. */
  let start: Uint8Array | null = new Uint8Array(0);
  for await (const chunk of chunks) {
    total += chunk.length;
    checkRatio(`${total} bytes or more`, total, packedBytes, at, TAR_CODES.bomb);
    checkTotal(total, at, TAR_CODES);
    if (start) start = Buffer.concat([start, chunk]);
    if (start && start.length < 512) continue;
    if (start && !looksLikeTar(start)) throw noTar(at);
    yield start ?? chunk;
    start = null;
  }
  if (start) throw noTar(at);
}

function unpackFault(file: string, at: string, error: unknown): unknown {
  const { code, path, syscall } = error as { code?: unknown; path?: unknown; syscall?: unknown };
  if (code === 'Z_BUF_ERROR') return tarDamaged(at, 'a gzip stream that is cut off');
  if (typeof code === 'string' && code.startsWith('Z_')) return tarDamaged(at, 'a gzip stream that is damaged');
  // Read from one disk and written to another: which of them failed?
  return path === file || syscall === 'read' ? accessFault(file, error) : cacheFault(error);
}
