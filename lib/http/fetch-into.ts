import { type FileHandle, open } from 'node:fs/promises';
import { Fault } from '../fault.ts';
import { type HttpFaults, type Question, type RequestOptions, retrying } from './request.ts';

/** A file on a server that is fetched in as many pieces as the line allows. */
export interface RemoteBytes {
  /** Null where the server does not say. */
  readonly bytes: number | null;
  /** Asks for all bytes from this one on; where the server cannot be asked for a part, for all of them. */
  from(offset: number): Question;
  /** Looks at an answer; throws where it is another file's. */
  check?(response: Response): void;
  /** Bytes that are there, at each piece; throws where they are too many. */
  onBytes?(doneBytes: number): void;
}

/**
 * Fills `part` up to the file's length, from where an earlier attempt has left it. Every byte goes to its own offset, and a
 * part belongs to one state of one file, so two processes that fetch the same do each other no harm.
 */
export async function fetchInto(
  part: string,
  remote: RemoteBytes,
  faults: HttpFaults,
  options: RequestOptions,
): Promise<void> {
  const handle = await openForWriting(part);
  try {
    let offset = (await handle.stat()).size;
    await retrying(faults, options, async ({ request, progressed }) => {
      if (remote.bytes !== null && offset >= remote.bytes) return;
      const response = await request(remote.from(offset));
      remote.check?.(response);
      // 200: the server knows no ranges, or (by If-Range) has another file now.
      if (response.status === 200) offset = 0;
      checkRange(response, offset);
      for await (const chunk of response.body ?? []) {
        progressed();
        await handle.write(chunk, 0, chunk.length, offset);
        offset += chunk.length;
        remote.onBytes?.(offset);
      }
      if (remote.bytes !== null && offset < remote.bytes) throw new Error(`ended after ${offset} bytes`);
    });
    await handle.truncate(remote.bytes ?? offset);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Other bytes than were asked for, from a proxy that keeps its own, would make a file of two halves that do not fit. */
function checkRange({ status, headers }: Response, offset: number): void {
  const from = /^bytes (\d+)-/.exec(headers.get('content-range') ?? '')?.[1];
  if (status !== 206 || Number(from) === offset) return;
  throw new Error(`bytes from ${from ?? 'nobody knows where'} for bytes from ${offset}`);
}

/** A full disk as a fault; null for other errors. Without a cause: the error's own message holds the path. */
export function diskFault(at: string, error: unknown): Fault | null {
  const errno = errnoOf(error);
  if (errno !== 'ENOSPC' && errno !== 'EDQUOT') return null;
  const fix = 'Free space where samflow keeps its state';
  return new Fault('DISK_FULL', { at, found: `no space left (${errno})`, expected: 'room for the file', fix });
}

/** The code of an error of the operating system, e.g. `ENOENT`; null for all others. */
export function errnoOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

/** Creates the file where it is missing and never cuts it; `a` alone would ignore the offsets. */
export async function openForWriting(path: string): Promise<FileHandle> {
  await (await open(path, 'a')).close();
  return open(path, 'r+');
}
