import assert from 'node:assert/strict';
import { test } from 'node:test';
import { greyOf, NAMED_WINDOWS, percentiles, windowRange } from '../../../lib/volume/intensity.ts';

test('named windows are the radiological ones, by width and level', () => {
  for (const [name, widthHu, levelHu] of [
    ['lung', 1500, -600],
    ['soft-tissue', 400, 40],
    ['bone', 1800, 400],
    ['brain', 80, 40],
    ['seed', 3000, 500],
  ] as const) {
    assert.deepEqual(windowRange(name, []), windowRange({ widthHu, levelHu }, []), name);
  }
  assert.equal(Object.keys(NAMED_WINDOWS).length, 5);
});

test('grey values clip at the ends of the window and round half up', () => {
  const window = { lowHu: -1000, highHu: 2000 };
  assert.deepEqual(
    [-2000, -1000, -995, -994, 500, 2000, 3000].map((hu) => greyOf(hu, window)),
    [0, 0, 0, 1, 128, 255, 255],
  );
});

test('percentiles interpolate as in numpy, for int16 and for other numbers', () => {
  const values = [5, -3, 12, 7, 0, 7];
  // numpy.percentile(values, [0, 10, 50, 90, 100])
  const expected = [-3, -1.5, 6, 9.5, 12];
  assert.deepEqual(percentiles(Int16Array.from(values), [0, 10, 50, 90, 100]), expected);
  assert.deepEqual(percentiles(Float32Array.from(values), [0, 10, 50, 90, 100]), expected);
  assert.deepEqual(windowRange({ lowPercentile: 10, highPercentile: 90 }, Int16Array.from(values)), {
    lowHu: -1.5,
    highHu: 9.5,
  });
});

test('a constant volume still has a window of one unit', () => {
  const window = windowRange({ lowPercentile: 1, highPercentile: 99 }, new Int16Array(10).fill(4));
  assert.deepEqual(window, { lowHu: 4, highHu: 5 });
  assert.equal(greyOf(4, window), 0);
});

test('a volume of small fractions uses all greys', () => {
  const voxels = Float32Array.from({ length: 201 }, (_, at) => at / 1000);
  const window = windowRange({ lowPercentile: 0, highPercentile: 100 }, voxels);
  assert.deepEqual(window, { lowHu: 0, highHu: Math.fround(0.2) });
  assert.deepEqual(
    [0, 0.15, 0.2].map((value) => greyOf(value, window)),
    [0, 191, 255],
  );
});
