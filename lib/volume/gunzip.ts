import { constants, createGunzip, gunzipSync } from 'node:zlib';
import { Fault } from '../fault.ts';

/** Deflate's best ratio: one bit of input for a match of 258 bytes, less the block's own cost. */
const LARGEST_RATIO = 1032;
/** Enough compressed bytes to hold any header, even behind a gzip header with a file name. */
const PREFIX_BYTES = 16 * 1024;
/** zlib counts output in 32 bits. */
const LARGEST_CHUNK = 2 ** 30;
/** Bytes after the voxels that some writers leave; more is not this volume. */
export const SLACK_BYTES = 64 * 1024;

export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * The first bytes of a gzip stream, as many as its first 16 KiB hold (at most about 17 MB, by deflate's ratio). Enough to
 * read a header from; the stream may be cut off or damaged later.
 */
export function gunzipPrefix(bytes: Uint8Array, at: string): Uint8Array {
  try {
    // A sync flush at the end makes zlib give what it has instead of complaining about the missing rest.
    return gunzipSync(bytes.subarray(0, PREFIX_BYTES), { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (cause) {
    throw gzipFault(cause, at);
  }
}

/**
 * Gunzips a whole stream whose output length is known from its header. Memory is bounded by that length: a stream that
 * cannot reach it is refused before anything is allocated, and one that goes beyond it is stopped there.
 */
export function gunzipBounded(bytes: Uint8Array, expectedBytes: number, at: string): Uint8Array {
  checkReachable(bytes, expectedBytes, at);
  const limit = expectedBytes + SLACK_BYTES;
  try {
    // One chunk of the full size: zlib then writes into a single buffer and nothing is joined afterwards.
    return gunzipSync(bytes, { maxOutputLength: limit, chunkSize: Math.min(expectedBytes + 1, LARGEST_CHUNK) });
  } catch (cause) {
    if ((cause as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') throw overlong(expectedBytes, at, cause);
    throw gzipFault(cause, at);
  }
}

/** Bytes of a piece; on the way one waits while another is taken. */
const PIECE_BYTES = 2 ** 18;

/**
 * The same in pieces, for whoever needs not hold all of it: inflated beside the thread that takes them. Gives up to the
 * expected length and up to `SLACK_BYTES` more, and goes on to the end of the stream, whose checksum comes last.
 */
export async function* gunzipPieces(bytes: Uint8Array, expectedBytes: number, at: string): AsyncGenerator<Uint8Array> {
  checkReachable(bytes, expectedBytes, at);
  let given = 0;
  const gunzip = createGunzip({ chunkSize: PIECE_BYTES });
  gunzip.end(bytes);
  try {
    for await (const piece of gunzip as AsyncIterable<Uint8Array>) {
      given += piece.length;
      if (given > expectedBytes + SLACK_BYTES) throw overlong(expectedBytes, at);
      yield piece;
    }
  } catch (cause) {
    throw cause instanceof Fault ? cause : gzipFault(cause, at);
  }
}

function checkReachable(bytes: Uint8Array, expectedBytes: number, at: string): void {
  if (expectedBytes > bytes.length * LARGEST_RATIO + PREFIX_BYTES) {
    throw new Fault('NIFTI_TRUNCATED', {
      at,
      found: `${bytes.length} compressed bytes`,
      expected: `enough for the ${expectedBytes} bytes that the header promises`,
      fix: 'Fetch or export the file again',
    });
  }
}

const overlong = (expectedBytes: number, at: string, cause?: unknown) =>
  new Fault(
    'NIFTI_OVERLONG',
    {
      at,
      found: `a gzip stream of more than ${expectedBytes + SLACK_BYTES} bytes`,
      expected: `${expectedBytes} bytes, as the header says`,
      fix: 'Fetch or export the file again; a stream that inflates without end is an attack or a damaged file',
    },
    { cause },
  );

function gzipFault(cause: unknown, at: string): Fault {
  const { code, message } = cause as { code?: string; message: string };
  if (code === 'Z_BUF_ERROR') {
    return new Fault(
      'NIFTI_TRUNCATED',
      {
        at,
        found: 'a gzip stream that breaks off',
        expected: 'a complete one',
        fix: 'Fetch or export the file again',
      },
      { cause },
    );
  }
  return new Fault(
    'NIFTI_GZIP',
    {
      at,
      found: `a damaged gzip stream (${message})`,
      expected: 'one whose checksum holds',
      fix: 'Fetch or export the file again',
    },
    { cause },
  );
}
