import { Fault } from '../fault.ts';
import { type ByteSource, PART_BYTES } from './store.ts';

/**
 * A source from beginning to end, in parts of one size; the last is smaller. Each is read into the memory that `next` gives,
 * `PART_BYTES` of it, and is good until that is given again.
 */
export async function* readParts(
  source: ByteSource,
  signal: AbortSignal | undefined,
  next: () => Uint8Array,
): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < source.bytes; from += PART_BYTES) {
    signal?.throwIfAborted();
    const part = next().subarray(0, Math.min(PART_BYTES, source.bytes - from));
    await source.read(part, from);
    yield part;
  }
}

/** Bytes [from, to) in memory of their own. */
export async function readBytes(source: ByteSource, from: number, to: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(to - from);
  await source.read(bytes, from);
  return bytes;
}

/** What was hashed and what was read afterwards differ: somebody wrote to the source in between. */
export function changedWhileStored(key: string): Fault {
  return new Fault('ARTIFACT_CHANGED', {
    at: key,
    found: 'other bytes than were read before',
    expected: 'a file that does not change while it is stored',
    fix: 'Start again when nobody writes to the file any more',
  });
}
