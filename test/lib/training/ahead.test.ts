import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { Ahead } from '../../../lib/training/ahead.ts';

describe('what is made ahead', () => {
  const made: number[] = [];
  const make = async (at: number) => {
    made.push(at);
    return at;
  };

  it('is made once each and in order: the next one while the last one is used, and none beyond', async () => {
    made.length = 0;
    const ahead = new Ahead(make, 2, 5);
    for (const at of [2, 3, 4]) {
      assert.equal(await ahead.next(), at);
      // Whoever took it has its turn first.
      assert.equal(made.at(-1), at);
      await setTimeout(5);
      assert.equal(made.at(-1), Math.min(at + 1, 4));
    }
    assert.deepEqual(made, [2, 3, 4]);
    await assert.rejects(ahead.next(), RangeError);
  });

  it('is waited for only as long as the step before it was shorter', async () => {
    const waits: number[] = [];
    const slow = async (at: number) => setTimeout(40, at);
    const ahead = new Ahead(slow, 0, 3, (seconds) => waits.push(1000 * seconds));
    await ahead.next();
    await setTimeout(80);
    await ahead.next();
    await ahead.next();
    assert.ok(waits[0]! > 30 && waits[1]! < 20 && waits[2]! > 30, `${waits}`);
  });

  it('is waited for no longer when the signal aborts, and is still the next', async () => {
    const stop = new AbortController();
    let finish = (): void => undefined;
    const held = new Ahead(
      async (at) => {
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        return at;
      },
      0,
      1,
    );
    const asked = held.next(stop.signal);
    await setImmediate();
    stop.abort(new Error('asked to stop'));
    await assert.rejects(asked, /asked to stop/);
    finish();
    assert.equal(await held.next(), 0);
  });

  it('tells of a failure whoever takes it, and nobody else', async () => {
    const ahead = new Ahead(async () => Promise.reject(new Error('gone')), 0, 1);
    await setTimeout(5);
    await assert.rejects(ahead.next(), /gone/);
  });
});
