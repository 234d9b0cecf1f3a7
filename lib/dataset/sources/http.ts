import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, isFault } from '../../fault.ts';
import { fetchInto } from '../../http/fetch-into.ts';
import { type RequestOptions, retrying } from '../../http/request.ts';
import { digestOf } from './digest.ts';
import { accessFault } from './folder.ts';
import { checkUrl, fileNameOf, sourceFaults } from './http-request.ts';
import type { SourceOptions } from './source.ts';

export interface HttpOptions extends SourceOptions, RequestOptions {
  /** Largest archive that is fetched. Default 256 GiB. */
  maxBytes?: number | undefined;
}

interface HttpSource {
  url: string;
  sha256?: string | undefined;
}

/** What the server says of a file before it sends it. ETag and date tell one state of the file from another. */
interface RemoteFile {
  etag: string | null;
  lastModified: string | null;
  bytes: number | null;
}

const MAX_BYTES = 256 * 2 ** 30;

/**
 * With a `sha256` the content is known without asking. Otherwise from ETag, date and length; the address counts only where
 * the server gives neither ETag nor date, because a signed address changes while the file does not.
 */
export async function fingerprintHttp(source: HttpSource, options: HttpOptions): Promise<string> {
  checkUrl(source.url);
  return source.sha256 === undefined ? fingerprintOf(source, await probe(source.url, options)) : fingerprintOf(source);
}

function fingerprintOf({ url, sha256 }: HttpSource, remote?: RemoteFile): string {
  if (sha256 !== undefined || !remote) return digestOf(['http', sha256 ?? url]);
  const { etag, lastModified, bytes } = remote;
  return digestOf(['http', etag, lastModified, bytes, etag || lastModified ? null : url]);
}

/**
 * Fetches the archive into the cache, or finds it there. A download that was interrupted goes on where it ended, in this
 * process or a later one, as long as the server's file is the same.
 * @throws Fault SOURCE_URL, SOURCE_DENIED, SOURCE_MISSING, SOURCE_REFUSED, SOURCE_UNREACHABLE, SOURCE_CHANGED,
 *   SOURCE_WEB_PAGE, SOURCE_TOO_LARGE, SOURCE_DIGEST, DISK_FULL
 */
export async function download(
  source: HttpSource,
  options: HttpOptions,
): Promise<{ file: string; fingerprint: string }> {
  const { url, sha256 } = source;
  checkUrl(url);
  const folder = join(options.cacheDir, 'http');
  await mkdir(folder, { recursive: true });
  const pinned = sha256 === undefined ? undefined : join(folder, `${sha256}.zip`);
  if (pinned !== undefined && (await isFile(pinned))) return { file: pinned, fingerprint: fingerprintOf(source) };

  const remote = await probe(url, options);
  checkLength(url, remote.bytes ?? 0, options);
  const fingerprint = fingerprintOf(source, remote);
  const file = pinned ?? join(folder, `${fingerprint}.zip`);
  // Without ETag and date nobody can tell whether the server's file is still the one that was fetched, or begun.
  const known = remote.etag !== null || remote.lastModified !== null;
  if (known && (await isFile(file))) return { file, fingerprint };
  const part = `${file}.${known ? fingerprintOf({ url }, remote).slice(0, 16) : randomUUID()}.part`;
  try {
    await fetchArchive(part, url, remote, options);
    if (sha256 !== undefined) await checkDigest(part, url, sha256);
    await rename(part, file);
  } catch (error) {
    const useless = isFault(error) && ['SOURCE_DIGEST', 'SOURCE_CHANGED'].includes(error.code);
    if (!known || useless) await rm(part, { force: true });
    // Another process may have been faster with the same file.
    if (!(isMissing(error) && (await isFile(file)))) throw accessFault(part, error);
  }
  return { file, fingerprint };
}

/** Asks for the first byte: that is allowed wherever the file is, while HEAD is not (addresses signed for GET). */
async function probe(url: string, options: HttpOptions): Promise<RemoteFile> {
  return retrying(sourceFaults(url), options, async ({ request }) => {
    const { headers, status, body } = await request({ url, headers: { range: 'bytes=0-0' }, accept: [416] });
    await body?.cancel();
    if (headers.get('content-type')?.startsWith('text/html')) throw webPage(url);
    const length = status === 206 ? headers.get('content-range')?.split('/')[1] : headers.get('content-length');
    const bytes = length && /^\d+$/.test(length) ? Number(length) : null;
    return { etag: headers.get('etag'), lastModified: headers.get('last-modified'), bytes };
  });
}

async function fetchArchive(part: string, url: string, remote: RemoteFile, options: HttpOptions): Promise<void> {
  const { bytes } = remote;
  const archive = {
    bytes,
    from: (offset: number) => ({ url, headers: offset > 0 ? rangeFrom(offset, remote) : {}, accept: [416] }),
    check: (response: Response) => checkUnchanged(url, response, remote),
    onBytes(done: number) {
      checkLength(url, done, options);
      options.onProgress?.(done, bytes);
    },
  };
  await fetchInto(part, archive, sourceFaults(url), options);
}

/** If-Range wants a strong ETag or a date: with another file in its place the server then sends all of it. */
function rangeFrom(offset: number, { etag, lastModified }: RemoteFile): Record<string, string> {
  const validator = etag && !etag.startsWith('W/') ? etag : lastModified;
  return validator ? { range: `bytes=${offset}-`, 'if-range': validator } : {};
}

function checkUnchanged(url: string, { headers, status }: Response, remote: RemoteFile): void {
  // An answer to If-Range may leave the date out.
  const etag = headers.get('etag') ?? remote.etag;
  const date = headers.get('last-modified') ?? remote.lastModified;
  if (etag === remote.etag && date === remote.lastModified && status !== 416) return;
  throw new Fault('SOURCE_CHANGED', {
    at: fileNameOf(url),
    found: 'another file than at the first request',
    expected: 'the same file until it is fetched',
    fix: 'Start again when the file on the server is complete',
  });
}

function checkLength(url: string, bytes: number, { maxBytes = MAX_BYTES }: HttpOptions): void {
  if (bytes <= maxBytes) return;
  const fix = 'Download the archive yourself and use a source of kind `local`';
  const details = { at: fileNameOf(url), found: `${bytes} bytes`, expected: `at most ${maxBytes}`, fix };
  throw new Fault('SOURCE_TOO_LARGE', details);
}

async function checkDigest(file: string, url: string, sha256: string): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  const found = hash.digest('hex');
  if (found === sha256) return;
  throw new Fault('SOURCE_DIGEST', {
    at: fileNameOf(url),
    found: `SHA-256 ${found}`,
    expected: sha256,
    fix: 'Check that `source.sha256` belongs to this file; if it does, do not use the file',
  });
}

function webPage(url: string): Fault {
  return new Fault('SOURCE_WEB_PAGE', {
    at: fileNameOf(url),
    found: 'a web page (text/html)',
    expected: 'a .zip archive',
    fix: 'Use the address of the file itself; where it needs a login, download it and use a source of kind `local`',
  });
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => info.isFile(),
    () => false,
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
