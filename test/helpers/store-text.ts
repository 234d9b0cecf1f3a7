import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import type { ObjectStore } from '../../lib/artifacts/store.ts';

export async function keysOf(store: ObjectStore, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

/** Where a text stands in a store: keys, and beginnings of objects, that match. */
export async function findText(store: ObjectStore, pattern: RegExp): Promise<string[]> {
  const found: string[] = [];
  for (const key of await keysOf(store)) {
    const text = Buffer.from((await store.get(key))!.bytes).toString('latin1');
    if (pattern.test(key) || pattern.test(text)) found.push(`${key}: ${text.slice(0, 120)}`);
  }
  return found;
}

export async function copyOf(store: MemoryStore): Promise<MemoryStore> {
  const copy = new MemoryStore();
  for await (const { key, modified } of store.list('')) {
    copy.now = () => modified;
    await copy.put(key, (await store.get(key))!.bytes);
  }
  return copy;
}
