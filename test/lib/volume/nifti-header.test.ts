import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readNifti } from '../../../lib/volume/nifti.ts';
import { assertFault } from '../../helpers/faults.ts';
import { changedHeader, FIELD, readFixture } from '../../helpers/nifti-fixtures.ts';

const noSform = (header: DataView) => header.setInt16(FIELD.sformCode, 0, true);
const read = (change: (header: DataView) => void) => readNifti(changedHeader(change), 'scan.nii');

const REFUSED: [claim: string, code: string, change: (header: DataView) => void][] = [
  ['no axes', 'NIFTI_DIMENSIONS', (h) => h.setInt16(FIELD.dim(0), 0, true)],
  ['eight axes', 'NIFTI_DIMENSIONS', (h) => h.setInt16(FIELD.dim(0), 8, true)],
  ['a negative axis', 'NIFTI_DIMENSIONS', (h) => h.setInt16(FIELD.dim(1), -12, true)],
  ['an axis of zero', 'NIFTI_DIMENSIONS', (h) => h.setInt16(FIELD.dim(3), 0, true)],
  ['32767³ voxels', 'NIFTI_TOO_LARGE', (h) => [1, 2, 3].map((axis) => h.setInt16(FIELD.dim(axis), 32767, true))],
  ['more voxels than bytes', 'NIFTI_TRUNCATED', (h) => h.setInt16(FIELD.dim(3), 9, true)],
  ['RGB', 'NIFTI_DATATYPE', (h) => h.setInt16(FIELD.datatype, 128, true)],
  ['complex numbers', 'NIFTI_DATATYPE', (h) => h.setInt16(FIELD.datatype, 32, true)],
  ['128-bit floats', 'NIFTI_DATATYPE', (h) => h.setInt16(FIELD.datatype, 1536, true)],
  ['an unknown type', 'NIFTI_DATATYPE', (h) => h.setInt16(FIELD.datatype, 999, true)],
  ['8 bits for int16', 'NIFTI_BITPIX', (h) => h.setInt16(FIELD.bitpix, 8, true)],
  ['voxels inside the header', 'NIFTI_VOX_OFFSET', (h) => h.setFloat32(FIELD.voxOffset, 100, true)],
  ['voxels at zero', 'NIFTI_VOX_OFFSET', (h) => h.setFloat32(FIELD.voxOffset, 0, true)],
  ['voxels at NaN', 'NIFTI_VOX_OFFSET', (h) => h.setFloat32(FIELD.voxOffset, Number.NaN, true)],
  ['voxels at half a byte', 'NIFTI_VOX_OFFSET', (h) => h.setFloat32(FIELD.voxOffset, 352.5, true)],
  ['voxels beyond the end', 'NIFTI_TRUNCATED', (h) => h.setFloat32(FIELD.voxOffset, 1e6, true)],
  [
    'a slope with an intercept of NaN',
    'NIFTI_SCALING',
    (h) => {
      h.setFloat32(FIELD.slope, 2, true);
      h.setFloat32(FIELD.inter, Number.NaN, true);
    },
  ],
  ['NaN in the sform', 'AFFINE_NOT_FINITE', (h) => h.setFloat32(FIELD.sform(1, 2), Number.NaN, true)],
  [
    'an sform without a third axis',
    'AFFINE_SINGULAR',
    (h) => [0, 1, 2].map((row) => h.setFloat32(FIELD.sform(row, 2), 0, true)),
  ],
  [
    'an sform with two parallel axes',
    'AFFINE_SINGULAR',
    (h) => [0, 1, 2].map((row) => h.setFloat32(FIELD.sform(row, 2), h.getFloat32(FIELD.sform(row, 1), true), true)),
  ],
  ['voxels of a kilometre', 'AFFINE_RANGE', (h) => h.setFloat32(FIELD.sform(1, 1), 1e6, true)],
  ['an origin beyond the moon', 'AFFINE_RANGE', (h) => h.setFloat32(FIELD.sform(2, 3), 1e30, true)],
  [
    'voxels too small for an atom, and no sform',
    'AFFINE_RANGE',
    (h) => {
      noSform(h);
      h.setInt16(FIELD.qformCode, 0, true);
      h.setFloat32(FIELD.pixdim(2), 1e-20, true);
    },
  ],
  [
    'a voxel size of zero and no sform',
    'NIFTI_PIXDIM',
    (h) => {
      noSform(h);
      h.setFloat32(FIELD.pixdim(2), 0, true);
    },
  ],
  [
    'a quaternion longer than 1 and no sform',
    'NIFTI_QUATERNION',
    (h) => {
      noSform(h);
      h.setInt16(FIELD.qformCode, 1, true);
      h.setFloat32(FIELD.quaternion(0), 1.2, true);
    },
  ],
  ['the header of an .img file', 'NIFTI_PAIR', (h) => h.setUint8(FIELD.magic + 1, 0x69)],
  ['an ANALYZE header', 'NIFTI_MAGIC', (h) => h.setUint32(FIELD.magic, 0, true)],
  ['another header length', 'NIFTI_MAGIC', (h) => h.setInt32(0, 349, true)],
];

for (const [claim, code, change] of REFUSED) {
  test(`${claim} is refused as ${code}, plain and gzipped`, () => {
    assertFault(() => read(change), code, /^scan\.nii: found .+, expected .+\. .+ \[[A-Z0-9_]+\]$/);
    assertFault(() => readNifti(gzipSync(changedHeader(change)), 'scan.nii.gz'), code);
  });
}

test('an empty file, a few bytes and text are refused', () => {
  assertFault(() => readNifti(new Uint8Array(0), 'a'), 'NIFTI_EMPTY');
  assertFault(() => readNifti(Uint8Array.of(1, 2, 3), 'a'), 'NIFTI_MAGIC');
  assertFault(() => readNifti(Buffer.from('a scan? '.repeat(100)), 'a'), 'NIFTI_MAGIC');
  assertFault(() => readNifti(readFixture('int16.nii').subarray(0, 300), 'a'), 'NIFTI_TRUNCATED');
});

test('the sform is used even where the qform has the higher code', () => {
  const { voxelToWorld, affineSource, notes } = read((header) => {
    header.setInt16(FIELD.sformCode, 1, true);
    header.setInt16(FIELD.qformCode, 2, true);
    header.setFloat32(FIELD.qoffset(0), 99, true);
  });
  assert.equal(affineSource, 'sform');
  assert.equal(voxelToWorld[3], 30);
  assert.match(notes.join(), /sform \(LAS\) and qform \(\w+\) differ by up to .* mm; the sform was used/);
});

/** A header whose qform is the rotation by this quaternion, voxels of 1 x 2 x 3 mm. */
const withQuaternion = (bcd: readonly number[], qfac = 1) =>
  read((header) => {
    noSform(header);
    header.setInt16(FIELD.qformCode, 1, true);
    [qfac, 1, 2, 3].map((size, axis) => header.setFloat32(FIELD.pixdim(axis), size, true));
    bcd.map((value, index) => header.setFloat32(FIELD.quaternion(index), value, true));
    [5, 6, 7].map((offset, axis) => header.setFloat32(FIELD.qoffset(axis), offset, true));
  });

test('half turns have a finite affine, where float32 noise makes the quaternion longer than 1', () => {
  for (let index = 0; index < 500; index += 1) {
    // Directions spread over the sphere by the golden angle.
    const z = 1 - (2 * (index + 0.5)) / 500;
    const turn = index * 2.399963229728653;
    const flat = Math.sqrt(1 - z * z);
    const axis = [flat * Math.cos(turn), flat * Math.sin(turn), z];
    const { voxelToWorld: m } = withQuaternion(axis);
    // A half turn about u maps v to 2 (u·v) u - v.
    [0, 1, 2].forEach((row) => {
      [0, 1, 2].forEach((column) => {
        const expected = (2 * axis[row]! * axis[column]! - (row === column ? 1 : 0)) * (column + 1);
        assert.ok(Math.abs(m[row * 4 + column]! - expected) < 1e-5);
      });
    });
  }
});

test('a qfac of -1 turns the third axis, and 0 means 1', () => {
  assert.deepEqual([...withQuaternion([0, 0, 0], -1).voxelToWorld], [1, 0, 0, 5, 0, 2, 0, 6, 0, 0, -3, 7, 0, 0, 0, 1]);
  assert.deepEqual([...withQuaternion([0, 0, 0], 0).voxelToWorld], [1, 0, 0, 5, 0, 2, 0, 6, 0, 0, 3, 7, 0, 0, 0, 1]);
});

test('a header without orientation is read as nibabel reads it, and says so', () => {
  const { voxelToWorld, affineSource, notes } = read((header) => {
    noSform(header);
    header.setInt16(FIELD.qformCode, 0, true);
    [1, 2, 3].map((size, axis) => header.setFloat32(FIELD.pixdim(axis + 1), size, true));
  });
  // nibabel: nib.Nifti1Image(np.zeros((12, 10, 8)), None).header.get_best_affine() with zooms 1, 2, 3.
  assert.deepEqual([...voxelToWorld], [-1, 0, 0, 5.5, 0, 2, 0, -9, 0, 0, 3, -10.5, 0, 0, 0, 1]);
  assert.equal(affineSource, 'none');
  assert.match(notes.join(), /names no orientation/);
});

test('a voxel size of 0 beside a good sform is taken from the affine, and recorded', () => {
  const { notes, voxelToWorld } = read((header) => header.setFloat32(FIELD.pixdim(1), 0, true));
  assert.equal(voxelToWorld[0], -1.5);
  assert.match(notes.join(), /voxel size 0 x .* was replaced by 1\.50333 x .* mm from the affine/);
});

test('lengths in metres are read as millimetres, and that is said', () => {
  assert.match(read((header) => header.setUint8(FIELD.units, 1)).notes.join(), /metres/);
  assert.deepEqual(read((header) => header.setUint8(FIELD.units, 2)).notes, []);
});
