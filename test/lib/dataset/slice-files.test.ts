import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sliceFiles } from '../../../lib/dataset/slice-files.ts';
import { sliceVolume } from '../../../lib/dataset/slices.ts';
import { applyAffine } from '../../../lib/volume/affine.ts';
import { readNifti } from '../../../lib/volume/nifti.ts';
import { slicing, volumeOf } from '../../helpers/volumes.ts';

const volume = volumeOf(
  [5, 4, 3],
  (x, y, z) => 100 * z + 10 * y + x - 50,
  (x, y, z) => x + y + z === 4,
);

test('each voxel of an exported slice lies where it lies in the scan, with its value and its label', () => {
  for (const axis of ['axial', 'coronal', 'sagittal'] as const) {
    const stacks = sliceVolume(volume, slicing({ axis }));
    const files = [...sliceFiles(volume, stacks)];
    assert.deepEqual(
      files.map(({ index }) => index),
      [...stacks[0]!.index],
    );
    for (const { image, mask } of files) {
      const [values, labels] = [image, mask!].map((bytes) => readNifti(bytes, 'slice.nii.gz'));
      assert.deepEqual(values!.shape, labels!.shape);
      const [nx, ny, nz] = values!.shape as [number, number, number];
      assert.equal(nz, 1);
      values!.voxels.forEach((value, at) => {
        const [x, y, z] = applyAffine(values!.voxelToWorld, [at % nx, Math.floor(at / nx) % ny, 0]);
        // 1 x 2 x 3 mm.
        const voxel = x + 5 * (y / 2) + 20 * (z / 3);
        assert.equal(value, volume.image[voxel], `${axis} ${x} ${y} ${z}`);
        assert.equal(labels!.voxels[at], volume.mask![voxel]);
      });
    }
  }
});

test('the same volume gives the same bytes', () => {
  const make = () => [...sliceFiles(volume, sliceVolume(volume, slicing({ axis: 'all' })))];
  assert.deepEqual(make(), make());
});
