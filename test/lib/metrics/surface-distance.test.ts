import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { Grid, Triple } from '../../../lib/metrics/grid.ts';
import type { SurfaceDefinition } from '../../../lib/metrics/surface.ts';
import {
  averageSurfaceDistanceMm,
  hausdorffMm,
  type SurfaceDistances,
  type SurfaceElements,
  surfaceDice,
  surfaceDistances,
} from '../../../lib/metrics/surface-distance.ts';
import { readNifti } from '../../../lib/volume/nifti.ts';
import { maskOf, noise, roll, voxelDistanceMm } from '../../helpers/masks.ts';
import { readShared, withoutShared } from '../../helpers/shared-data.ts';

const DEFINITIONS: SurfaceDefinition[] = ['sub-voxel', 'voxel-edge'];
const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../fixtures/imaging/${name}`, import.meta.url), 'utf8'));
const close = (value: number, expected: number, within: number, what: string) =>
  assert.ok(Math.abs(value - expected) <= within, `${what}: ${value}, not ${expected}`);
const total = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);
const average = ({ mm, weights }: SurfaceElements) =>
  mm.reduce((sum, value, at) => sum + value * weights[at]!, 0) / total(weights);
const scoresOf = (distances: SurfaceDistances) => [
  hausdorffMm(distances),
  hausdorffMm(distances, 0.95),
  averageSurfaceDistanceMm(distances),
  ...[0.5, 1, 2, 5].map((mm) => surfaceDice(distances, mm)),
];

interface Blob {
  centre: Triple;
  radii: Triple;
  bump: number;
}
interface SurfaceCase {
  name: string;
  shape: Triple;
  spacingMm: Triple;
  truth: Blob;
  prediction: Blob;
  voxels: [number, number];
  tolerancesMm: number[];
  subVoxel: { hdMm: number; hd95Mm: number; average: [number, number]; areasMm2: [number, number]; nsd: number[] };
  voxelEdge: { hdMm: number; hd95Mm: number; assdMm: number; nsd: number[] };
}

const blob = (shape: Triple, { centre, radii, bump }: Blob) =>
  maskOf(shape, (x, y, z) => {
    const square = [x, y, z].reduce((sum, value, axis) => sum + ((value - centre[axis]!) / radii[axis]!) ** 2, 0);
    return square < 1 + (bump * (((x * 7 + y * 5 + z * 3) % 11) - 5)) / 5;
  });

describe('surface scores of generated masks', () => {
  for (const golden of fixture('surfaces.json').cases as SurfaceCase[]) {
    const { name, shape, spacingMm, subVoxel, voxelEdge, tolerancesMm } = golden;
    it(`are those of surface-distance and of MONAI's definition: ${name}`, () => {
      const [prediction, truth] = [blob(shape, golden.prediction), blob(shape, golden.truth)];
      assert.deepEqual(
        [prediction, truth].map((mask) => mask.filter(Boolean).length),
        golden.voxels,
      );
      const fine = surfaceDistances(prediction, truth, { shape, spacingMm }, 'sub-voxel')!;
      close(hausdorffMm(fine), subVoxel.hdMm, 1e-12, 'HD');
      close(hausdorffMm(fine, 0.95), subVoxel.hd95Mm, 1e-12, 'HD95');
      close(average(fine.fromTruth), subVoxel.average[0], 1e-12, 'truth to prediction');
      close(average(fine.fromPrediction), subVoxel.average[1], 1e-12, 'prediction to truth');
      close(total(fine.fromTruth.weights), subVoxel.areasMm2[0], 1e-9, 'area of the truth');
      close(total(fine.fromPrediction.weights), subVoxel.areasMm2[1], 1e-9, 'area of the prediction');
      const edges = surfaceDistances(prediction, truth, { shape, spacingMm }, 'voxel-edge')!;
      close(hausdorffMm(edges), voxelEdge.hdMm, 1e-12, 'HD');
      close(hausdorffMm(edges, 0.95), voxelEdge.hd95Mm, 1e-12, 'HD95');
      close(averageSurfaceDistanceMm(edges), voxelEdge.assdMm, 1e-12, 'ASSD');
      for (const [at, mm] of tolerancesMm.entries()) {
        close(surfaceDice(fine, mm), subVoxel.nsd[at]!, 1e-12, `NSD at ${mm} mm`);
        close(surfaceDice(edges, mm), voxelEdge.nsd[at]!, 1e-12, `NSD at ${mm} mm`);
      }
    });
  }
});

interface Golden {
  file: string;
  label: number;
  roll: Triple;
  spacing: Triple;
  monai: { hd: number; hd95: number; assd: number; nsd_2mm: number };
  surface_distance: {
    hd100: number;
    hd95: number;
    avg_gt_to_pred_pred_to_gt: [number, number];
    nsd_1mm: number;
    nsd_2mm: number;
    nsd_5mm: number;
  };
}

describe('surface scores of real label maps', () => {
  for (const [name, golden] of Object.entries(fixture('metrics.json') as Record<string, Golden>)) {
    it(`are those of MONAI and surface-distance: ${name}`, { skip: withoutShared(`data/${golden.file}`) }, () => {
      const labels = readNifti(readShared(`data/${golden.file}`), golden.file);
      const shape = labels.shape.slice(0, 3) as unknown as Triple;
      const truth = Uint8Array.from(labels.voxels, (value) => (value === golden.label ? 1 : 0));
      const prediction = roll(truth, shape, golden.roll);
      const grid = { shape, spacingMm: golden.spacing };
      const { monai, surface_distance: exact } = golden;
      // MONAI answers in float32.
      const edges = surfaceDistances(prediction, truth, grid, 'voxel-edge')!;
      close(hausdorffMm(edges), monai.hd, 1e-6 * monai.hd, 'HD');
      close(hausdorffMm(edges, 0.95), monai.hd95, 1e-6 * monai.hd95, 'HD95');
      close(averageSurfaceDistanceMm(edges), monai.assd, 1e-6 * monai.assd, 'ASSD');
      close(surfaceDice(edges, 2), monai.nsd_2mm, 1e-7, 'NSD');
      const fine = surfaceDistances(prediction, truth, grid, 'sub-voxel')!;
      close(hausdorffMm(fine), exact.hd100, 1e-12, 'HD');
      close(hausdorffMm(fine, 0.95), exact.hd95, 1e-12, 'HD95');
      close(average(fine.fromTruth), exact.avg_gt_to_pred_pred_to_gt[0], 1e-12, 'truth to prediction');
      close(average(fine.fromPrediction), exact.avg_gt_to_pred_pred_to_gt[1], 1e-12, 'prediction to truth');
      for (const mm of [1, 2, 5] as const) close(surfaceDice(fine, mm), exact[`nsd_${mm}mm`], 1e-12, `NSD at ${mm} mm`);
    });
  }
});

describe('surface scores', () => {
  const grid: Grid = { shape: [14, 12, 10], spacingMm: [0.8, 1.3, 2.5] };

  for (const definition of DEFINITIONS) {
    const distances = (a: Uint8Array, b: Uint8Array, on = grid) => surfaceDistances(a, b, on, definition)!;

    it(`do not depend on which mask is called the truth (${definition})`, () => {
      const [a, b] = [noise(grid.shape, 0.1, 1), noise(grid.shape, 0.1, 2)];
      const [one, other] = [scoresOf(distances(a, b)), scoresOf(distances(b, a))];
      for (const [at, value] of one.entries()) close(value, other[at]!, 1e-12, `score ${at}`);
    });

    it(`of a mask with itself are perfect (${definition})`, () => {
      const mask = noise(grid.shape, 0.3, 3);
      assert.deepEqual(scoresOf(distances(mask, mask)), [0, 0, 0, 1, 1, 1, 1]);
    });

    it(`of a block moved by k voxels are k times the spacing (${definition})`, () => {
      for (const [axis, mm] of grid.spacingMm.entries()) {
        const block = maskOf(grid.shape, (x, y, z) => [x, y, z].every((place) => place >= 2 && place < 6));
        const by: Triple = [axis === 0 ? 2 : 0, axis === 1 ? 2 : 0, axis === 2 ? 2 : 0];
        const moved = distances(roll(block, grid.shape, by), block);
        close(hausdorffMm(moved), 2 * mm, 1e-12, `axis ${axis}`);
        assert.ok(surfaceDice(moved, 2 * mm) === 1 && surfaceDice(moved, 1.99 * mm) < 1);
      }
    });

    it(`do not see where in the grid the masks lie (${definition})`, () => {
      const [a, b] = [blob(grid.shape, { centre: [5, 4, 4], radii: [3, 3, 3], bump: 0 }), new Uint8Array(14 * 12 * 10)];
      b.set(roll(a, grid.shape, [1, 0, 1]));
      const here = scoresOf(distances(a, b));
      const there = scoresOf(distances(roll(a, grid.shape, [5, 4, 2]), roll(b, grid.shape, [5, 4, 2])));
      for (const [at, value] of here.entries()) close(value, there[at]!, 1e-12, `score ${at}`);
    });

    it(`scale with the spacing (${definition})`, () => {
      const [a, b] = [noise(grid.shape, 0.05, 4), noise(grid.shape, 0.05, 5)];
      const spacingMm = grid.spacingMm.map((mm) => 3 * mm) as unknown as Triple;
      const [near, far] = [distances(a, b), distances(a, b, { ...grid, spacingMm })];
      close(hausdorffMm(far, 0.95), 3 * hausdorffMm(near, 0.95), 1e-9, 'HD95');
      close(surfaceDice(far, 3), surfaceDice(near, 1), 1e-12, 'NSD');
    });

    it(`are not defined where a mask is empty (${definition})`, () => {
      const [full, empty] = [noise(grid.shape, 0.1, 6), new Uint8Array(14 * 12 * 10)];
      assert.deepEqual(
        [
          [full, empty],
          [empty, full],
          [empty, empty],
        ].map(([a, b]) => distances(a!, b!)),
        [null, null, null],
      );
    });
  }

  it('of voxel edges are those of all pairs of edge voxels', () => {
    for (let seed = 0; seed < 4; seed += 1) {
      const [a, b] = [noise(grid.shape, 0.04, 20 + seed), noise(grid.shape, 0.9, 40 + seed)];
      const [nx, ny, nz] = grid.shape;
      const edges = (mask: Uint8Array) =>
        [...mask.keys()].filter((at) => {
          const [x, y, z] = [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))];
          const inside = x > 0 && y > 0 && z > 0 && x < nx - 1 && y < ny - 1 && z < nz - 1;
          return mask[at] && !(inside && [1, nx, nx * ny].every((step) => mask[at - step] && mask[at + step]));
        });
      const nearest = (from: number[], to: number[]) =>
        from.map((voxel) => Math.min(...to.map((other) => voxelDistanceMm(voxel, other, grid))));
      const both = [...nearest(edges(a), edges(b)), ...nearest(edges(b), edges(a))];
      const found = surfaceDistances(a, b, grid, 'voxel-edge')!;
      close(hausdorffMm(found), Math.max(...both), 1e-12, 'HD');
      close(averageSurfaceDistanceMm(found), both.reduce((sum, mm) => sum + mm, 0) / both.length, 1e-12, 'ASSD');
      close(surfaceDice(found, 2), both.filter((mm) => mm <= 2).length / both.length, 1e-12, 'NSD');
    }
  });

  it('forgive the float noise of a spacing that comes from an affine', () => {
    const spacingMm: Triple = [1 + 1e-7, 1, 1];
    const [a, b] = [maskOf([9, 5, 5], (x) => x < 3), maskOf([9, 5, 5], (x) => x < 5)];
    assert.equal(surfaceDice(surfaceDistances(a, b, { shape: [9, 5, 5], spacingMm }, 'voxel-edge')!, 2), 1);
  });

  it('of masks of another size than the grid are a bug of the caller', () => {
    assert.throws(() => surfaceDistances(new Uint8Array(8), new Uint8Array(9), grid, 'sub-voxel'), RangeError);
  });
});
