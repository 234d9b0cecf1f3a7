import { join } from 'node:path';
import { Fault } from '../../fault.ts';
import { fetchInto } from '../../http/fetch-into.ts';
import { type HttpFaults, type RequestOptions, retrying } from '../../http/request.ts';
import { checkLength, fetchIntoCache, isFile } from './cache.ts';
import { digestOf } from './digest.ts';
import type { SourceOptions } from './source.ts';

/** An archive that a server sends, on demand in parts. */
export interface RemoteArchive {
  readonly kind: 'http' | 'kaggle';
  readonly url: string;
  readonly sha256?: string | undefined;
  /** Names the archive in errors. */
  readonly at: string;
  /** Sent to `url`. A redirection to another origin is followed without `authorization`: the Fetch standard drops it. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly faults: HttpFaults;
  /** What to do where a web page answers. */
  readonly webPageFix: string;
}

export interface RemoteOptions extends SourceOptions, RequestOptions {
  /** Largest archive that is fetched. Default 256 GiB. */
  maxBytes?: number | undefined;
}

/** What the server says of a file before it sends it. ETag and date tell one state of the file from another. */
interface RemoteFile {
  etag: string | null;
  lastModified: string | null;
  bytes: number | null;
}

/**
 * With a `sha256` the content is known without asking. Otherwise from ETag, date and length; the address counts only where
 * the server gives neither ETag nor date, because a signed address changes while the file does not.
 */
export async function fingerprintRemote(archive: RemoteArchive, options: RemoteOptions): Promise<string> {
  return archive.sha256 === undefined ? fingerprintOf(archive, await probe(archive, options)) : fingerprintOf(archive);
}

function fingerprintOf({ kind, url, sha256 }: RemoteArchive, remote?: RemoteFile): string {
  if (sha256 !== undefined || !remote) return digestOf([kind, sha256 ?? url]);
  return stateOf(kind, url, remote);
}

function stateOf(kind: string, url: string, { etag, lastModified, bytes }: RemoteFile): string {
  return digestOf([kind, etag, lastModified, bytes, etag || lastModified ? null : url]);
}

/**
 * Fetches the archive into the cache, or finds it there. A download that was interrupted goes on where it ended, in this
 * process or a later one, as long as the server's file is the same.
 * @throws Fault SOURCE_DENIED, SOURCE_MISSING, SOURCE_REFUSED, SOURCE_UNREACHABLE, SOURCE_CHANGED, SOURCE_WEB_PAGE,
 *   SOURCE_TOO_LARGE, SOURCE_DIGEST, SOURCE_CACHE, DISK_FULL
 */
export async function downloadArchive(
  archive: RemoteArchive,
  options: RemoteOptions,
): Promise<{ file: string; fingerprint: string }> {
  const { kind, url, sha256, at } = archive;
  const folder = join(options.cacheDir, kind);
  const pinned = sha256 === undefined ? undefined : join(folder, sha256);
  if (pinned !== undefined && (await isFile(pinned))) return { file: pinned, fingerprint: fingerprintOf(archive) };

  const remote = await probe(archive, options);
  checkLength(at, remote.bytes ?? 0, options.maxBytes);
  const fingerprint = fingerprintOf(archive, remote);
  const file = pinned ?? join(folder, fingerprint);
  // Without ETag and date nobody can tell whether the server's file is still the one that was fetched, or begun.
  const known = remote.etag !== null || remote.lastModified !== null;
  if (known && (await isFile(file))) return { file, fingerprint };
  await fetchIntoCache(file, {
    at,
    state: known ? stateOf(kind, url, remote).slice(0, 16) : null,
    sha256,
    fill: (part) => fetchPart(part, archive, remote, options),
  });
  return { file, fingerprint };
}

/** Asks for the first byte: that is allowed wherever the file is, while HEAD is not (addresses signed for GET). */
async function probe(archive: RemoteArchive, options: RemoteOptions): Promise<RemoteFile> {
  const { url, faults } = archive;
  return retrying(faults, options, async ({ request }) => {
    const range = { ...archive.headers, range: 'bytes=0-0' };
    const { headers, status, body } = await request({ url, headers: range, accept: [416] });
    await body?.cancel();
    if (headers.get('content-type')?.startsWith('text/html')) throw webPage(archive);
    const length = status === 206 ? headers.get('content-range')?.split('/')[1] : headers.get('content-length');
    const bytes = length && /^\d+$/.test(length) ? Number(length) : null;
    return { etag: headers.get('etag'), lastModified: headers.get('last-modified'), bytes };
  });
}

async function fetchPart(
  part: string,
  archive: RemoteArchive,
  remote: RemoteFile,
  options: RemoteOptions,
): Promise<void> {
  const { url, at, faults, headers } = archive;
  const { bytes } = remote;
  const wanted = {
    bytes,
    from: (offset: number) => ({
      url,
      headers: { ...headers, ...(offset > 0 && rangeFrom(offset, remote)) },
      accept: [416],
    }),
    check: (response: Response) => checkUnchanged(at, response, remote),
    onBytes(done: number) {
      checkLength(at, done, options.maxBytes);
      options.onProgress?.(done, bytes);
    },
  };
  await fetchInto(part, wanted, faults, options);
}

/** If-Range wants a strong ETag or a date: with another file in its place the server then sends all of it. */
function rangeFrom(offset: number, { etag, lastModified }: RemoteFile): Record<string, string> {
  const validator = etag && !etag.startsWith('W/') ? etag : lastModified;
  return validator ? { range: `bytes=${offset}-`, 'if-range': validator } : {};
}

function checkUnchanged(at: string, { headers, status }: Response, remote: RemoteFile): void {
  // An answer to If-Range may leave the date out.
  const etag = headers.get('etag') ?? remote.etag;
  const date = headers.get('last-modified') ?? remote.lastModified;
  if (etag === remote.etag && date === remote.lastModified && status !== 416) return;
  throw new Fault('SOURCE_CHANGED', {
    at,
    found: 'another file than at the first request',
    expected: 'the same file until it is fetched',
    fix: 'Start again when the file on the server is complete',
  });
}

function webPage({ at, webPageFix }: RemoteArchive): Fault {
  const found = 'a web page (text/html)';
  return new Fault('SOURCE_WEB_PAGE', { at, found, expected: 'a .zip or .tar.gz archive', fix: webPageFix });
}
