import { Fault } from '../fault.ts';
import { canonicalJson } from './canonical-json.ts';
import type { Schema } from './memo.ts';
import type { ObjectStore } from './store.ts';

/**
 * Pointers are the few keys that change, e.g. `models/<name>/champion.json`. They change only from a state that the writer
 * has seen: read with ETag, write with If-Match (or If-None-Match for the first). Who comes second starts over.
 */
export interface Pointer<T> {
  value: T;
  etag: string;
}

/** @throws Fault POINTER_UNREADABLE when the object is there but does not parse. */
export async function readPointer<T>(store: ObjectStore, key: string, schema: Schema<T>): Promise<Pointer<T> | null> {
  const object = await store.get(key);
  if (!object) return null;
  try {
    return { value: schema.parse(JSON.parse(Buffer.from(object.bytes).toString('utf8'))), etag: object.etag };
  } catch (cause) {
    const details = {
      at: key,
      found: 'an object of another form',
      expected: 'a pointer written by this version',
      fix: 'Use the samflow version that wrote it, or delete the object',
    };
    throw new Fault('POINTER_UNREADABLE', details, { cause });
  }
}

/**
 * `etag`: of the state that was read, or null when there was none.
 * @throws PreconditionFailed when another writer was faster: read again and decide again.
 */
export async function writePointer(
  store: ObjectStore,
  key: string,
  value: unknown,
  etag: string | null,
): Promise<{ etag: string }> {
  return store.put(key, Buffer.from(canonicalJson(value)), {
    contentType: 'application/json',
    ...(etag === null ? { ifNoneMatch: '*' as const } : { ifMatch: etag }),
  });
}
