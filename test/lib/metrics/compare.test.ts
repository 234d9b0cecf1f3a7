import assert from 'node:assert/strict';
import { test } from 'node:test';
import { random } from '../../../lib/dataset/random.ts';
import { compareScores, sampleNote } from '../../../lib/metrics/compare.ts';
import type { VolumeScores } from '../../../lib/metrics/volume-scores.ts';

const draw = (resample: number, place: number) => random(7, resample, place);
const scores = (dice: number, change: Partial<VolumeScores> = {}): VolumeScores => ({
  ...{ dice, iou: dice / (2 - dice), precision: dice, recall: dice, truthMl: 10, predictedMl: 10, volumeErrorMl: 0 },
  ...{ volumeErrorPercent: 0, hdMm: 9, hd95Mm: 5, assdMm: 1, nsd: [dice] },
  ...change,
});
const pairs = [0.1, 0.2, 0.3, 0.2, 0.4, 0.25].map((gain, at) => ({
  before: scores(0.5, { volumeErrorPercent: at % 2 ? 30 : -30 }),
  after: scores(0.5 + gain, { volumeErrorPercent: at % 2 ? -10 : 10, hd95Mm: at === 0 ? 8 : 3 }),
}));
const rows = compareScores(pairs, [2], draw);
const row = (name: string) => rows.find(({ metric }) => metric === name)!;

test('every metric has a row, by name', () => {
  assert.deepEqual(
    rows.map(({ metric }) => metric),
    ['dice', 'iou', 'precision', 'recall', 'volumeErrorPercent', 'hdMm', 'hd95Mm', 'assdMm', 'nsd@2mm'],
  );
});

test('mean, median and the mean change are those of the patients', () => {
  const { before, after, change, improved, worsened, p } = row('dice');
  assert.equal(before.mean, 0.5);
  assert.ok(Math.abs(after.median - 0.725) < 1e-12);
  assert.ok(Math.abs(change.mean - 1.45 / 6) < 1e-12);
  assert.deepEqual([improved, worsened, p], [6, 0, 2 / 64]);
  assert.ok(change.interval![0] > 0.1 && change.interval![1] < 0.4);
});

test('of errors and distances less is better, and a volume error counts by its size', () => {
  const { before, after, improved } = row('volumeErrorPercent');
  assert.deepEqual([before.mean, after.mean, improved], [30, 10, 6]);
  const { improved: nearer, worsened: further } = row('hd95Mm');
  assert.deepEqual([nearer, further], [5, 1]);
});

test('a metric without values is left out, one with some says of how many', () => {
  const flat = scores(0.5, { hdMm: null, hd95Mm: null, assdMm: null, nsd: null });
  const few = compareScores([{ before: flat, after: flat }, pairs[0]!], [2], draw);
  assert.deepEqual([few[0]!.patients, few.find(({ metric }) => metric === 'hdMm')!.patients], [2, 1]);
  assert.equal(compareScores([{ before: flat, after: flat }], [2], draw).length, 5);
});

test('one patient has neither interval nor p', () => {
  const [dice] = compareScores([pairs[0]!], [2], draw);
  assert.deepEqual([dice!.change.interval, dice!.p], [null, null]);
});

test('what few patients cannot say is said', () => {
  assert.match(sampleNote(1)!, /no interval and no test/);
  assert.match(sampleNote(4)!, /With 4 test patients p cannot be smaller than 0\.125, whatever the scores/);
  assert.match(sampleNote(6)!, /intervals are rough/);
  assert.equal(sampleNote(10), null);
});
