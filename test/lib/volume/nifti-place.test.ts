import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { decodeVolume, encodeVolume, readPatientVolume } from '../../../lib/dataset/volume-record.ts';
import { readNifti, writeMaskOnNativeGrid } from '../../../lib/volume/nifti.ts';
import { LAYOUT } from '../../../lib/volume/nifti-layout.ts';
import { changedHeader, FIELD, GOLDEN, readFixture } from '../../helpers/nifti-fixtures.ts';

/** All that a header says of place, little-endian: dim, pixdim, units, codes, quaternion, offset, sform. */
function placeOf(file: Uint8Array): { version: number; numbers: Buffer[] } {
  const plain = file[0] === 0x1f ? gunzipSync(file) : Buffer.from(file);
  const little = plain[0] !== 0;
  const version = plain.readInt32LE(0) === 348 || plain.readInt32BE(0) === 348 ? 1 : 2;
  const { dim, pixdim, units, qformCode, sformCode, quaternion, srow, realBytes } = LAYOUT[version];
  const whole = version === 1 ? 2 : 8;
  const code = version === 1 ? 2 : 4;
  const fields: [start: number, count: number, bytes: number][] = [
    [dim, 8, whole],
    [pixdim, 8, realBytes],
    [units, 1, version === 1 ? 1 : 4],
    [qformCode, 1, code],
    [sformCode, 1, code],
    [quaternion, 6, realBytes],
    [srow, 12, realBytes],
  ];
  const numbers = fields.flatMap(([start, count, bytes]) =>
    Array.from({ length: count }, (_, at) => {
      const number = Buffer.from(plain.subarray(start + at * bytes, start + (at + 1) * bytes));
      return little ? number : number.reverse();
    }),
  );
  return { version, numbers };
}

/** The way of a mask through the pipeline: from the scan's record, stored and read again. */
async function maskOf(scan: Uint8Array): Promise<Uint8Array> {
  const volume = await readPatientVolume({ image: [{ name: 'scan', bytes: scan }], mask: null, labels: null });
  const stored = decodeVolume(encodeVolume(volume));
  return writeMaskOnNativeGrid(new Uint8Array(volume.image.length), stored);
}

const CHANGED: [claim: string, change: (header: DataView) => void][] = [
  [
    'whose sform and qform disagree',
    (header) => {
      header.setInt16(FIELD.qformCode, 1, true);
      header.setInt16(FIELD.sformCode, 2, true);
      [0.1, 0.2, 0.3].map((value, index) => header.setFloat32(FIELD.quaternion(index), value, true));
      [7, -8.5, 1e-3].map((value, axis) => header.setFloat32(FIELD.qoffset(axis), value, true));
      header.setFloat32(FIELD.pixdim(0), -1, true);
    },
  ],
  [
    'with negative zeros',
    (header) => {
      header.setFloat32(FIELD.sform(0, 2), -0, true);
      header.setFloat32(FIELD.qoffset(1), -0, true);
    },
  ],
  [
    'without orientation codes',
    (header) => {
      header.setInt16(FIELD.qformCode, 0, true);
      header.setInt16(FIELD.sformCode, 0, true);
    },
  ],
  ['whose qform is NaN', (header) => header.setFloat32(FIELD.quaternion(1), Number.NaN, true)],
  ['whose voxel size is zero', (header) => header.setFloat32(FIELD.pixdim(2), 0, true)],
  ['with lengths in metres and times in seconds', (header) => header.setUint8(FIELD.units, 9)],
  ['with a repetition time', (header) => header.setFloat32(FIELD.pixdim(4), 2.5, true)],
];

for (const [claim, change] of CHANGED) {
  test(`the mask of a scan ${claim} has its place, bit by bit`, async () => {
    const scan = changedHeader(change);
    const mask = await maskOf(scan);
    assert.deepEqual(placeOf(mask), placeOf(scan));
    assert.deepEqual(readNifti(mask, 'mask').voxelToWorld, readNifti(scan, 'scan').voxelToWorld);
  });
}

test('the mask of every reference scan has its place, bit by bit, in its version of the format', async () => {
  for (const name of Object.keys(GOLDEN)) {
    if (name === 'four_d.nii.gz') continue;
    const scan = readFixture(name);
    assert.deepEqual(placeOf(await maskOf(scan)), placeOf(scan), name);
  }
});

test('a mask in NIfTI-2 has the voxels and sizes that NIfTI-1 would have', async () => {
  const scan = readNifti(readFixture('nifti2_int16.nii.gz'), 'scan');
  const mask = readNifti(await maskOf(readFixture('nifti2_int16.nii.gz')), 'mask');
  assert.deepEqual([mask.version, mask.shape, mask.datatype, mask.notes], [2, scan.shape, 'uint8', []]);
  assert.equal(mask.voxelOffset, 544);
});

test('viewers that prefer the qform lay the mask where they lay the scan', async () => {
  const scan = changedHeader(CHANGED[0]![1]);
  const byQform = (file: Uint8Array) => {
    const plain = new Uint8Array(file[0] === 0x1f ? gunzipSync(file) : file);
    new DataView(plain.buffer).setInt16(FIELD.sformCode, 0, true);
    return readNifti(plain, 'a');
  };
  const [ofScan, ofMask] = [byQform(scan), byQform(await maskOf(scan))];
  assert.equal(ofMask.affineSource, 'qform');
  assert.deepEqual(ofMask.voxelToWorld, ofScan.voxelToWorld);
  assert.notDeepEqual(ofScan.voxelToWorld, readNifti(scan, 'scan').voxelToWorld);
});
