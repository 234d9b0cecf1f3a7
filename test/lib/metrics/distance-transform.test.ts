import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distancesToSites } from '../../../lib/metrics/distance-transform.ts';
import type { Grid, Triple } from '../../../lib/metrics/grid.ts';
import { maskOf, noise, voxelDistanceMm } from '../../helpers/masks.ts';

const everywhere = (shape: Triple) => maskOf(shape, () => true);
const sorted = (values: Iterable<number>) => [...values].sort((a, b) => a - b);

/** Of each query, the smallest distance to any site: every pair looked at. */
function bruteForce(queries: Uint8Array, sites: Uint8Array, grid: Grid): number[] {
  const at = (mask: Uint8Array) => [...mask.keys()].filter((voxel) => mask[voxel] !== 0);
  const where = at(sites);
  return at(queries).map((query) => Math.min(...where.map((site) => voxelDistanceMm(query, site, grid))));
}

const GRIDS: Grid[] = [
  { shape: [9, 7, 6], spacingMm: [1, 1, 1] },
  { shape: [9, 7, 6], spacingMm: [0.7, 0.9, 3.3] },
  { shape: [5, 12, 4], spacingMm: [4, 0.25, 1] },
  { shape: [1, 17, 3], spacingMm: [1, 2, 0.5] },
  { shape: [40, 1, 1], spacingMm: [0.1, 1, 1] },
];

for (const grid of GRIDS) {
  test(`distances on a grid of ${grid.shape.join(' x ')} at ${grid.spacingMm.join(' x ')} mm are those of all pairs`, () => {
    for (const [seed, chance] of [0.01, 0.05, 0.3, 0.9].entries()) {
      const sites = noise(grid.shape, chance, seed);
      if (!sites.includes(1)) sites[seed] = 1;
      const queries = noise(grid.shape, 0.5, 100 + seed);
      const { mm } = distancesToSites(queries, sites, grid);
      const [found, expected] = [sorted(mm), sorted(bruteForce(queries, sites, grid))];
      assert.equal(found.length, expected.length);
      for (const [at, value] of found.entries()) assert.ok(Math.abs(value - expected[at]!) < 1e-12, `${value}`);
    }
  });
}

test('a distance comes with the value of its query', () => {
  const shape: Triple = [20, 1, 1];
  const sites = maskOf(shape, (x) => x === 4);
  const queries = Uint8Array.from({ length: 20 }, (_, x) => x);
  const { mm, values } = distancesToSites(queries, sites, { shape, spacingMm: [2, 1, 1] });
  assert.equal(mm.length, 19);
  for (const [at, x] of values.entries()) assert.equal(mm[at], 2 * Math.abs(x - 4));
});

test('whole voxels along one axis are exact multiples of the spacing', () => {
  const shape: Triple = [1, 1, 50];
  const { mm } = distancesToSites(
    everywhere(shape),
    maskOf(shape, (_x, _y, z) => z === 0),
    {
      shape,
      spacingMm: [1, 1, 0.7],
    },
  );
  assert.deepEqual(
    [...mm],
    Array.from({ length: 50 }, (_, z) => z * 0.7),
  );
});

test('without a site every distance is infinite, without a query there is none', () => {
  const shape: Triple = [3, 3, 3];
  const grid = { shape, spacingMm: [1, 1, 1] as const };
  assert.ok(distancesToSites(everywhere(shape), new Uint8Array(27), grid).mm.every((mm) => mm === Infinity));
  assert.equal(distancesToSites(new Uint8Array(27), everywhere(shape), grid).mm.length, 0);
});

test('masks of another size than the grid are a bug of the caller', () => {
  const grid = { shape: [3, 3, 3] as const, spacingMm: [1, 1, 1] as const };
  assert.throws(() => distancesToSites(new Uint8Array(27), new Uint8Array(26), grid), RangeError);
});
