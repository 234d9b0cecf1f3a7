import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tasks } from '../../activities/tasks.ts';
import { EvaluationConfig } from '../../contracts/config.ts';
import { sliceVolume } from '../../lib/dataset/slices.ts';
import { decodeVolume } from '../../lib/dataset/volume-record.ts';
import { gzipDeterministic, writeNifti } from '../../lib/volume/nifti-write.ts';
import { type PlainNifti, readPlainNifti } from '../helpers/plain-nifti.ts';
import { slicing } from '../helpers/volumes.ts';

/** A scan of 6 x 5 x 4 voxels of 2 x 3 x 4 mm in RAS+, turned a little, with an object that no rotation or flip maps onto itself. */
const SHAPE = [6, 5, 4] as const;
const OBJECT = new Set(['1,1,1', '2,1,1', '3,1,1', '1,2,1', '1,1,2', '1,1,3', '4,3,0']);
/** 20 degrees about the head-feet axis, then 10 about right-left; columns in mm. */
const RAS_TO_WORLD = turned();

function turned(): number[][] {
  const [a, b] = [(20 * Math.PI) / 180, (10 * Math.PI) / 180];
  const [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
  const rotation = [
    [ca, -sa, 0],
    [cb * sa, cb * ca, -sb],
    [sb * sa, sb * ca, cb],
  ];
  const [sizes, origin] = [
    [2, 3, 4],
    [-31.5, 12.25, -200],
  ];
  return rotation.map((row, at) => [...row.map((value, axis) => value * sizes[axis]!), origin[at]!]);
}

const worldOf = (ras: readonly number[]): number[] =>
  RAS_TO_WORLD.map((row) => row.reduce((sum, value, axis) => sum + value * (ras[axis] ?? 1), 0));

interface Grid {
  readonly name: string;
  readonly qformCode: number;
  readonly sformCode: number;
  readonly shape: readonly [number, number, number];
  /** Canonical index of a native voxel. */
  toRas(native: readonly number[]): number[];
}

/** All orders of the axes, each forwards or backwards, with the orientation codes that files have. */
const CODES = [[1, 1], [1, 2], [2, 1], [0, 1], [3, 4], [0, 2]] as const; // biome-ignore format: one line
const GRIDS: Grid[] = ['012', '021', '102', '120', '201', '210'].flatMap((order, row) =>
  Array.from({ length: 8 }, (_, flips) => {
    const [qformCode, sformCode] = CODES[(row + flips) % CODES.length]!;
    const axes = [...order].map(Number);
    const shape = axes.map((ras) => SHAPE[ras]!) as [number, number, number];
    const toRas = (native: readonly number[]): number[] => {
      const ras = [0, 0, 0];
      axes.forEach((to, axis) => {
        ras[to] = flips & (1 << axis) ? SHAPE[to]! - 1 - native[axis]! : native[axis]!;
      });
      return ras;
    };
    return { name: `axes ${order}, flips ${flips.toString(2).padStart(3, '0')}`, qformCode, sformCode, shape, toRas };
  }),
);

/** The scan as a file on such a grid: 1000 where the object is, else -1000. */
function scanOn({ shape, toRas, qformCode, sformCode }: Grid): Uint8Array {
  const voxels = new Int16Array(shape[0] * shape[1] * shape[2]).fill(-1000);
  for (const [at, native] of voxelsOf(shape).entries()) if (OBJECT.has(toRas(native).join())) voxels[at] = 1000;
  // In float32, as the header has it.
  const corner = worldOf(toRas([0, 0, 0]));
  const steps = [0, 1, 2].map((axis) => worldOf(toRas([0, 0, 0].map((_, n) => (n === axis ? 1 : 0)))));
  const voxelToWorld = [0, 1, 2].flatMap((row) =>
    [...steps.map((step) => step[row]! - corner[row]!), corner[row]!].map(Math.fround),
  );
  const affine = [...voxelToWorld, 0, 0, 0, 1];
  return gzipDeterministic(writeNifti({ shape, voxels, voxelToWorld: affine, qformCode, sformCode }));
}

const voxelsOf = ([nx, ny, nz]: readonly [number, number, number]): number[][] =>
  Array.from({ length: nx * ny * nz }, (_, at) => [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))]);

/** Places in the world, to a hundredth of a millimetre, of the voxels that hold what is looked for. */
function places(file: PlainNifti, by: 'bySform' | 'byQform', wanted: (value: number) => boolean): string[] {
  return voxelsOf(file.shape)
    .filter((_, at) => wanted(file.voxels[at]!))
    .map((voxel) => rounded(file[by](voxel[0]!, voxel[1]!, voxel[2]!)))
    .sort();
}

const rounded = (world: readonly number[]): string => world.map((mm) => (mm + 1e-9).toFixed(2)).join();
const TRUTH = [...OBJECT].map((ras) => rounded(worldOf(ras.split(',').map(Number)))).sort();

describe('a mask', () => {
  for (const axis of ['axial', 'coronal', 'sagittal', 'all'] as const) {
    it(`of ${axis} slices lies on its object in every one of the 48 orders and flips of a scan's axes`, async () => {
      assert.equal(new Set(GRIDS.map(({ name }) => name)).size, 48);
      for (const grid of GRIDS) {
        const file = scanOn(grid);
        const scan = readPlainNifti(file);
        assert.deepEqual(
          places(scan, 'bySform', (hu) => hu > 0),
          TRUTH,
          `${grid.name}: the scan itself`,
        );
        const { bytes: volume } = await tasks.convert({
          image: [{ name: 'ct', bytes: file }],
          mask: null,
          labels: null,
        });
        // The model of this test sees what is bright.
        const planes = sliceVolume(decodeVolume(volume), slicing({ axis }), { all: true }).map((stack) => ({
          stack: { ...stack, index: [...stack.index] },
          labels: stack.pixels.map((grey) => (grey > 127 ? 1 : 0)),
          probabilities: Float32Array.from(stack.pixels, (grey) => grey / 255),
        }));
        const { files, foregroundVoxels } = tasks.mask({
          ...{ volume, planes, probability: true, structures: [{ name: 'a & b', label: null }] },
          ...{ setting: EvaluationConfig.parse({}), postProcess: null },
        });
        assert.equal(foregroundVoxels, OBJECT.size, grid.name);
        const [mask, probability] = [files.mask, files.probability!].map(readPlainNifti) as [PlainNifti, PlainNifti];
        for (const found of [mask, probability]) {
          assert.equal(found.geometryBytes, scan.geometryBytes, grid.name);
          for (const by of ['bySform', 'byQform'] as const) {
            if (by === 'byQform' && grid.qformCode === 0) continue;
            assert.deepEqual(
              places(found, by, (value) => value > 0.5),
              TRUTH,
              `${grid.name} ${by}`,
            );
          }
        }
        assert.deepEqual([mask.voxels.constructor, probability.voxels.constructor], [Uint8Array, Float32Array]);
      }
    });
  }
});
