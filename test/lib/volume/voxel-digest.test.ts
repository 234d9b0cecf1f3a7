import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { tasks } from '../../../activities/tasks.ts';
import { splitPatients } from '../../../lib/dataset/split.ts';
import { writeNifti } from '../../../lib/volume/nifti.ts';
import { voxelDigest } from '../../../lib/volume/voxel-digest.ts';
import { GOLDEN, readFixture } from '../../helpers/nifti-fixtures.ts';

const SHAPE = [4, 3, 2] as const;
const COUNT = 24;
/** Voxels of a small scan by its canonical (RAS+) place, at 1 x 2 x 3 mm. */
const valueAt = (x: number, y: number, z: number): number => x * x + 7 * y - 50 * z;

/** The scan as a file: `flipped` first and second axis (LPS) or not (RAS). */
function file(flipped: boolean, Type: typeof Int16Array | typeof Float32Array) {
  const [nx, ny] = SHAPE;
  const values = Array.from({ length: COUNT }, (_, at) => {
    const [i, j, z] = [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))];
    return flipped ? valueAt(nx - 1 - i, ny - 1 - j, z) : valueAt(i, j, z);
  });
  const voxels = new Type(values);
  const voxelToWorld = flipped
    ? [-1, 0, 0, nx - 1, 0, -2, 0, 2 * (ny - 1), 0, 0, 3, 0, 0, 0, 0, 1]
    : [1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1];
  const write = (data: typeof voxels | Uint8Array) => writeNifti({ shape: [...SHAPE], voxels: data, voxelToWorld });
  const mask = (of: number) => Uint8Array.from({ length: COUNT }, (_, at) => Number(at % of === 0));
  return { image: write(voxels), maskOf: (of: number) => write(mask(of)) };
}

async function convert(image: Uint8Array, mask: Uint8Array | null) {
  const named = (bytes: Uint8Array) => ({ name: 'a.nii', bytes });
  return tasks.convert({ image: [named(image)], mask: mask && named(mask), labels: null });
}

describe('the digest of a scan’s voxels', () => {
  it('is that of float32 in canonical order, as nibabel gives it and `samflow inspect --json` prints it', async () => {
    let seen = 0;
    for (const [name, { shape, ras }] of Object.entries(GOLDEN)) {
      if (shape.length > 3) continue;
      const { voxels, repairs } = await convert(readFixture(name), null);
      // What is not finite takes another value, and is another scan.
      if (repairs.some((repair) => repair.includes('NaN'))) continue;
      assert.equal(voxels, ras.sha256_f32_fortran, name);
      seen += 1;
    }
    assert.ok(seen > 15, `${seen} files`);
  });

  it('does not depend on the pieces in which the voxels come, however large', () => {
    const voxels = Float32Array.from({ length: 600_001 }, (_, at) => Math.sin(at));
    const whole = createHash('sha256').update(new Uint8Array(voxels.buffer)).digest('hex');
    assert.equal(voxelDigest([voxels]), whole);
    assert.equal(voxelDigest([voxels.subarray(0, 3), voxels.subarray(3)]), whole);
  });

  it('ranks a scan alike whether it is stored LPS or RAS, in two bytes or four, with this mask or that', async () => {
    const ras = file(false, Int16Array);
    const lps = file(true, Float32Array);
    const one = await convert(ras.image, ras.maskOf(2));
    const other = await convert(lps.image, lps.maskOf(5));
    assert.notDeepEqual(Buffer.from(one.bytes), Buffer.from(other.bytes), 'two different artifacts');
    assert.deepEqual([one.axisCodes, other.axisCodes], ['RAS', 'LPS']);
    assert.equal(one.voxels, other.voxels);
    const among = (digest: string, seed: number) =>
      splitPatients(
        [digest, 'a', 'b', 'c'].map((of, at) => ({ patient: `p-${at}`, digest: of, labels: [1], split: null })),
        { seed, val: 1, test: 1, stratify: true },
      );
    for (let seed = 0; seed < 10; seed += 1) assert.deepEqual(among(one.voxels, seed), among(other.voxels, seed));
  });
});
