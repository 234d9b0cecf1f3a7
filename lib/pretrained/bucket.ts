import type { ObjectStore } from '../artifacts/store.ts';
import { type FileState, fileChanged, type Place } from './place.ts';

/** Objects under a prefix of a bucket. The objects may be replaced, so the place is not pinned: their ETags count. */
export function openBucket(store: ObjectStore, bucket: string, prefix: string): Place {
  const keyOf = (file: string): string => (prefix === '' ? file : `${prefix}/${file}`);
  const state = async (file: string): Promise<FileState | null> => {
    const head = await store.head(keyOf(file));
    if (head) return { bytes: head.bytes, version: head.etag };
    // The answer to HEAD has no body, so it cannot say that it is the bucket that is missing; that to GET does.
    await store.get(keyOf(file), { from: 0, to: 1 });
    return null;
  };
  return {
    name: prefix.split('/').at(-1) || bucket,
    origin: prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`,
    pinned: false,
    state,
    async open(file) {
      const known = await state(file);
      return (
        known && {
          bytes: known.bytes,
          async read(target, from) {
            if (target.length === 0) return;
            const object = await store.get(keyOf(file), { from, to: from + target.length });
            if (object?.etag !== known.version || object.bytes.length !== target.length) throw fileChanged(file);
            target.set(object.bytes);
          },
        }
      );
    },
    async discard() {},
  };
}
