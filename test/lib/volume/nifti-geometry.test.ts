import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readNifti } from '../../../lib/volume/nifti.ts';
import { assertFault } from '../../helpers/faults.ts';
import { changedHeader, FIELD } from '../../helpers/nifti-fixtures.ts';

/** From test/fixtures/nifti/make_cases.py. */
interface OrientationCase {
  codes: [qform: number, sform: number];
  pixdim: number[];
  quaternion: number[];
  offset: number[];
  sform: number[];
  /** Three rows of nibabel's; null where it refuses. */
  affine: number[] | null;
}
const ORIENTATIONS: OrientationCase[] = JSON.parse(
  readFileSync(new URL('../../fixtures/nifti/orientations.json', import.meta.url), 'utf8'),
);

const fileOf = ({ codes, pixdim, quaternion, offset, sform }: Omit<OrientationCase, 'affine'>) =>
  changedHeader((header) => {
    [5, 4, 3].map((size, axis) => header.setInt16(FIELD.dim(axis + 1), size, true));
    header.setInt16(FIELD.qformCode, codes[0], true);
    header.setInt16(FIELD.sformCode, codes[1], true);
    pixdim.map((value, axis) => header.setFloat32(FIELD.pixdim(axis), value, true));
    quaternion.map((value, index) => header.setFloat32(FIELD.quaternion(index), value, true));
    offset.map((value, axis) => header.setFloat32(FIELD.qoffset(axis), value, true));
    sform.map((value, index) => header.setFloat32(FIELD.sform(0, index), value, true));
  });

test('of sform, qform and neither, that one places a grid which nibabel takes, with its numbers', () => {
  const taken = new Set<string>();
  for (const [index, { affine, ...fields }] of ORIENTATIONS.entries()) {
    if (affine === null) {
      assertFault(() => readNifti(fileOf(fields), 'a'), 'NIFTI_QUATERNION');
      continue;
    }
    const { voxelToWorld, affineSource } = readNifti(fileOf(fields), 'a');
    taken.add(affineSource);
    affine.forEach((value, at) => {
      // nibabel's half turns carry the float32 noise of the quaternion.
      assert.ok(Math.abs(voxelToWorld[at]! - value) <= 2e-5 * Math.max(1, Math.abs(value)), `case ${index}, ${at}`);
    });
  }
  assert.deepEqual([...taken].sort(), ['none', 'qform', 'sform']);
});

test('a code without meaning counts as 0, as in nibabel, and that is said', () => {
  const read = (codes: [number, number]) => readNifti(fileOf({ ...ORIENTATIONS[0]!, codes }), 'a');
  assert.deepEqual([read([1, 7]).affineSource, read([1, 7]).sformCode], ['qform', 7]);
  assert.match(read([1, 7]).notes.join(), /sform_code 7 has no meaning: the sform was not used/);
  assert.equal(read([-1, 0]).affineSource, 'none');
  assert.equal(read([0, 5]).affineSource, 'sform');
});

test('a qform whose side readers disagree on is refused, unless the sform says where the voxels lie', () => {
  const pixdim = [-2, 1, 1, 1];
  assertFault(
    () => readNifti(fileOf({ ...ORIENTATIONS[0]!, pixdim, codes: [1, 0] }), 'a'),
    'NIFTI_QUATERNION',
    /pixdim\[0\] -2, expected 1 or -1/,
  );
  assert.equal(readNifti(fileOf({ ...ORIENTATIONS[0]!, pixdim, codes: [1, 1] }), 'a').affineSource, 'sform');
});

test('an unusable voxel size is given as the affine has it', () => {
  for (const broken of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
    const { zooms, notes } = readNifti(
      changedHeader((header) => header.setFloat32(FIELD.pixdim(2), broken, true)),
      'a',
    );
    assert.deepEqual(zooms.map(Math.fround), [1.5033296346664429, 1.4177446365356445, 2.5079872608184814]);
    assert.match(notes.join(), /was replaced by 1\.50333 x 1\.41774 x 2\.50799 mm from the affine/);
  }
});

test('one slice without a thickness is 1 mm thick, and that is said', () => {
  const { voxelToWorld, notes, zooms } = readNifti(
    changedHeader((header) => {
      header.setInt16(FIELD.dim(0), 2, true);
      header.setInt16(FIELD.sformCode, 0, true);
      header.setInt16(FIELD.qformCode, 1, true);
      header.setFloat32(FIELD.pixdim(3), 0, true);
    }),
    'a',
  );
  assert.ok(Math.abs(Math.hypot(voxelToWorld[2]!, voxelToWorld[6]!, voxelToWorld[10]!) - 1) < 1e-6);
  assert.equal(zooms.length, 2);
  assert.match(notes.join(), /names no thickness/);
});
