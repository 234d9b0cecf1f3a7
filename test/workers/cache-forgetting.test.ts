import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { forgetWithStore } from '../../workers/cache-forgetting.ts';

describe('a worker’s cache', () => {
  it('is held against the store a minute after the start and every quarter of an hour, until the worker ends', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const store = new MemoryStore();
      await store.put('cas/sha256/kept', Buffer.from('kept'));
      const gone: boolean[] = [];
      const forget = async (isGone: (sha256: string) => Promise<boolean>): Promise<number> => {
        gone.push(await isGone('kept'), await isGone('deleted'));
        return 1;
      };
      const end = forgetWithStore({ forget }, store);
      const after = async (minutes: number): Promise<boolean[]> => {
        mock.timers.tick(minutes * 60_000);
        for (let turn = 0; turn < 5; turn++) await setImmediate();
        return gone.splice(0);
      };
      assert.deepEqual(await after(0.5), []);
      assert.deepEqual(await after(0.5), [false, true]);
      assert.deepEqual(await after(14), []);
      assert.deepEqual(await after(1), [false, true]);
      end();
      assert.deepEqual(await after(60), []);
    } finally {
      mock.timers.reset();
    }
  });
});
