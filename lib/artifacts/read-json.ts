import type { ObjectStore } from './store.ts';

export type Json = Record<string, unknown> | null;

/** Null where it is gone, or no JSON object. */
export async function readJson(store: ObjectStore, key: string): Promise<Json> {
  const object = await store.get(key);
  try {
    const value: unknown = object && JSON.parse(Buffer.from(object.bytes).toString('utf8'));
    return typeof value === 'object' ? (value as Json) : null;
  } catch {
    return null;
  }
}
