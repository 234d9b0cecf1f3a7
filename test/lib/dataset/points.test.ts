import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Box } from '../../../lib/dataset/components.ts';
import { drawPoints, type PointSetting, pointsOf, pointsOfBox } from '../../../lib/dataset/points.ts';
import { random } from '../../../lib/dataset/random.ts';
import { draw as drawing } from '../../helpers/pictures.ts';

/** A ring with a thick right side. */
const ring = drawing('..........', '.########.', '.#...####.', '.#...####.', '.#...####.', '.########.', '..........');
const BOX: Box = [1, 1, 9, 6];
const size = [ring.height, ring.width] as const;
const setting = (change: Partial<PointSetting> = {}): PointSetting => ({
  ...{ kind: 'points', positivePoints: 3, negativePoints: 2 },
  ...change,
});
const seeded = (seed: number) => (n: number) => random(seed, n);
const valueAt = ({ x, y }: { x: number; y: number }) => ring.mask[Math.floor(y) * ring.width + Math.floor(x)];

test('clicks inside lie on the object, those beside it on other pixels of its box, all in the middle of a pixel', () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 200; seed += 1) {
    const points = drawPoints(ring.mask, BOX, size, setting(), seeded(seed), 'drawn');
    assert.deepEqual(
      points.map(({ label }) => label),
      [1, 1, 1, 0, 0],
    );
    for (const point of points) {
      assert.equal(valueAt(point), point.label);
      assert.ok(point.x >= 1 && point.x <= 9 && point.y >= 1 && point.y <= 6);
      assert.deepEqual([point.x % 1, point.y % 1], [0.5, 0.5]);
      seen.add(`${point.x},${point.y}`);
    }
  }
  assert.equal(seen.size, 8 * 5, 'every pixel of the box has its turn');
});

test('the first click of a reader is where the object is deepest, whatever is drawn', () => {
  for (const seed of [1, 2, 3]) {
    const [first] = drawPoints(ring.mask, BOX, size, setting(), seeded(seed), 'deepest');
    assert.deepEqual(first, { x: 6.5, y: 2.5, label: 1 });
  }
});

test('the same draws give the same clicks', () => {
  const make = (seed: number) => drawPoints(ring.mask, BOX, size, setting(), seeded(seed), 'drawn');
  assert.deepEqual(make(7), make(7));
  assert.notDeepEqual(make(7), make(8));
});

test('where there is no place for a click it is no point: an empty object, or one that fills its box', () => {
  const empty = drawPoints(new Uint8Array(70), [0, 0, 10, 7], size, setting(), seeded(1), 'deepest');
  assert.deepEqual(
    empty.map(({ label }) => label),
    [-1, -1, -1, 0, 0],
  );
  const full = drawPoints(new Uint8Array(70).fill(1), BOX, size, setting(), seeded(1), 'deepest');
  assert.deepEqual(
    full.map(({ label }) => label),
    [1, 1, 1, -1, -1],
  );
});

test('a box alone has no clicks; without truth there is one in its middle', () => {
  assert.equal(pointsOf(setting({ kind: 'box' })), 0);
  assert.deepEqual(drawPoints(ring.mask, BOX, size, setting({ kind: 'box' }), seeded(1), 'drawn'), []);
  assert.deepEqual(pointsOfBox(BOX, setting({ kind: 'box' })), []);
  assert.deepEqual(pointsOfBox([2, 2, 7, 4], setting({ positivePoints: 1, negativePoints: 1 })), [
    { x: 4.5, y: 3, label: 1 },
    { x: 0, y: 0, label: -1 },
  ]);
});
