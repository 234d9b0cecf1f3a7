import { posix } from 'node:path';
import { openForWriting } from '../../http/fetch-into.ts';
import type { ArchiveObject, Bucket, BucketSource } from './bucket.ts';
import { bucketFault, objectChanged } from './bucket-faults.ts';
import { checkLength } from './cache.ts';
import type { SourceOptions } from './source.ts';

/** One request's worth. */
const PART_BYTES = 32 * 2 ** 20;

/** Fills `part` with the object, from where an earlier attempt has left it; one that changed in between is refused. */
export async function fetchObject(
  part: string,
  bucket: Bucket,
  { key }: BucketSource,
  { bytes, etag }: ArchiveObject,
  { signal, onProgress }: SourceOptions,
): Promise<void> {
  const at = posix.basename(key);
  checkLength(at, bytes);
  const handle = await openForWriting(part);
  try {
    for (let from = Math.min((await handle.stat()).size, bytes); from < bytes; ) {
      signal?.throwIfAborted();
      const object = await bucket.get(key, { from, to: Math.min(from + PART_BYTES, bytes) }).catch((error: unknown) => {
        throw bucketFault(at, error);
      });
      if (object?.etag !== etag || object.bytes.length === 0) throw objectChanged(at);
      await handle.write(object.bytes, 0, object.bytes.length, from);
      from += object.bytes.length;
      onProgress?.(from, bytes);
    }
    await handle.truncate(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
