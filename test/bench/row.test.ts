import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shareOfBound } from '../../bench/engine/epochs.ts';
import { type BenchRow, holds, median, printRows, ratioRow } from '../../bench/row.ts';

const row: BenchRow = { what: 'a figure', value: 1.2, target: 1.05, sense: 'at most', unit: 'x' };
const goal = { what: 'reference / ours', target: 1.5, stretch: 2 };

test('a row holds on the right side of its target, and one that was not measured never does', () => {
  assert.equal(holds(row), false);
  assert.equal(holds({ ...row, value: 1.05 }), true);
  assert.equal(holds({ ...row, sense: 'at least' }), true);
  assert.equal(holds({ ...row, value: null }), false);
});

test('a row that other work disturbed holds on neither side, and keeps its figure', () => {
  const disturbed = { ...row, value: 1, isDisturbed: true };
  assert.equal(holds(disturbed), false);
  assert.match(printRows([disturbed]), /a figure.*1 x.*DISTURBED/);
});

test('a row that falls short stays in the table with its figure', () => {
  const table = printRows([row, { ...row, what: 'another', value: null }]);
  assert.match(table, /a figure.*1\.2 x.*at most 1\.05 x.*FALLS SHORT/);
  assert.match(table, /another.*not measured/);
});

test('the median of an even number of values is the middle of the middle two', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([3, 1, 2]), 2);
});

test('a row of two sides is the ratio of their medians, and shows both, their least and that ratio', () => {
  const found = ratioRow(goal, [0.9, 0.3, 0.6], [0.4, 0.2, 0.3]);
  assert.equal(found.value, 2);
  assert.deepEqual(found.sides, {
    reference: { median: 0.6, min: 0.3 },
    ours: { median: 0.3, min: 0.2 },
    unit: 's',
    repeats: 3,
    ratioOfMins: 0.3 / 0.2,
  });
  const table = printRows([found]);
  assert.match(
    table,
    /2 x.*at least 1\.5 x.*ok, past 2.*reference 600 ms \(least 300 ms\), ours 300 ms \(least 200 ms\)/,
  );
  assert.match(table, /1\.5 x by the least, 3 runs/);
  assert.doesNotMatch(printRows([{ ...found, value: 1.9 }]), /past/);
  assert.match(printRows([{ ...found, value: 1.4 }]), /FALLS SHORT/);
});

test('without a reference the row is not measured, says why, and keeps our figures', () => {
  const found = ratioRow({ ...goal, note: 'no PyTorch' }, [], [3, 2, 4]);
  assert.equal(found.value, null);
  assert.equal(found.sides?.reference, null);
  assert.equal(found.sides?.ratioOfMins, null);
  assert.match(printRows([found]), /not measured.*ours 3 s \(least 2 s\)[\s\S]*no PyTorch/);
});

test('the share of the bound is one where encoder and step cost what the count of operations says', () => {
  const operations = { encode: 972.1, step: 10.06 };
  assert.ok(Math.abs(shareOfBound(operations, operations) - 1) < 0.01);
  const half = shareOfBound(operations, { encode: 2 * operations.encode, step: 2 * operations.step });
  assert.ok(Math.abs(half - 0.5) < 0.005, `${half}`);
});
