import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryStore } from '../../../lib/artifacts/memory-store.ts';
import { objectStoreSuite } from './object-store.ts';

describe('memory store', () => {
  const shared = new MemoryStore();
  objectStoreSuite(() => shared);

  it('counts its calls', async () => {
    const store = new MemoryStore();
    await store.put('a', new Uint8Array(1));
    await store.get('a');
    await store.get('b');
    await store.head('a');
    assert.deepEqual(store.counts, { put: 1, get: 2, head: 1, list: 0 });
    assert.deepEqual([store.puts, store.gets], [1, 2]);
  });

  it('shares no memory with its callers', async () => {
    const store = new MemoryStore();
    const bytes = Uint8Array.of(1, 2, 3);
    await store.put('a', bytes);
    bytes[0] = 9;
    const read = await store.get('a');
    read!.bytes[1] = 9;
    assert.deepEqual([...(await store.get('a'))!.bytes], [1, 2, 3]);
  });
});
