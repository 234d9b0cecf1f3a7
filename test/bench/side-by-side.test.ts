import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inTurn } from '../../bench/side-by-side.ts';

test('two sides run in turn, and the first run of each does not count', async () => {
  const order: string[] = [];
  const side = (name: string) => async () => order.push(name);
  const found = await inTurn(side('a'), side('b'), 2);
  assert.deepEqual(order, ['a', 'b', 'a', 'b', 'a', 'b']);
  assert.deepEqual(found, { reference: [3, 5], ours: [4, 6], problem: null, other: 0 });
});

test('pairs beside other work are made again, at most as many, and the calmest count', async () => {
  const run = async (shares: number[]) => {
    let calls = 0;
    let runs = 0;
    const found = await inTurn(
      async () => ++runs,
      async () => runs,
      2,
      // The first call of each pair only sets the clock.
      () => (calls++ % 2 === 0 ? 1 : shares[(calls - 2) / 2]!),
    );
    return { ...found, runs };
  };
  const soonCalm = await run([0.5, 0, 0.4, 0.01, 0.9]);
  assert.deepEqual(soonCalm, { reference: [2, 4], ours: [2, 4], problem: null, other: 0.005, runs: 4 });
  const neverCalm = await run([0, 0.5, 0.4, 0.25, 0.75, 0.1]);
  assert.deepEqual(neverCalm.ours, [4, 3]);
  assert.equal(neverCalm.runs, 5);
  assert.equal(neverCalm.other, 0.325);
});

test('a reference that fails, even half-way, leaves our runs and the reason', async () => {
  let runs = 0;
  const failing = async () => {
    runs++;
    if (runs > 1) throw new Error('out of memory');
    return 1;
  };
  const { reference, ours, problem } = await inTurn(failing, async () => 2, 3);
  assert.equal(runs, 2, 'a reference that failed is not asked again');
  assert.deepEqual({ reference, ours }, { reference: [], ours: [2, 2, 2] });
  assert.equal(problem?.message, 'out of memory');
});
