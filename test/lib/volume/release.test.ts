import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { release } from '../../../lib/volume/release.ts';

test('the memory of a large array is given back without the collector, and small ones are left alone', async () => {
  const before = process.memoryUsage.rss();
  const [large, small] = [new Uint8Array(300e6).fill(1), Buffer.from('pooled')];
  assert.ok(process.memoryUsage.rss() - before > 250e6);
  release(large, small, [1, 2, 3]);
  for (let turn = 0; turn < 5; turn += 1) await setImmediate();
  assert.ok(process.memoryUsage.rss() - before < 100e6);
  assert.deepEqual([large.length, small.toString()], [0, 'pooled']);
});
