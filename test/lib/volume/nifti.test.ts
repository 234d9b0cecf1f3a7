import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { asVolume3, readNifti, writeMaskOnNativeGrid, writeNifti } from '../../../lib/volume/nifti.ts';
import { axisCodes, orientationOf, toCanonical } from '../../../lib/volume/orientation.ts';
import { assertFault } from '../../helpers/faults.ts';
import { changedHeader, FIELD, GOLDEN, type Golden, readFixture } from '../../helpers/nifti-fixtures.ts';
import { readShared, sharedPath, withoutShared } from '../../helpers/shared-data.ts';

const closeTo = (actual: readonly number[], expected: readonly number[], tolerance: number) => {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, index) => {
    assert.ok(Math.abs(value - expected[index]!) <= tolerance, `${value} is not ${expected[index]} at ${index}`);
  });
};

/** numpy's names. */
const BIG_ENDIAN: Record<string, string> = { '>i2': 'int16', '>f4': 'float32' };

/** Shape, type, geometry and voxels of a file against nibabel's. */
function agreesWithNibabel(bytes: Uint8Array, name: string, golden: Golden): void {
  const volume = readNifti(bytes, name);
  assert.deepEqual(volume.shape, golden.shape);
  assert.equal(volume.datatype, BIG_ENDIAN[golden.dtype] ?? golden.dtype);
  assert.deepEqual(volume.zooms, golden.zooms);
  closeTo(volume.voxelToWorld, golden.affine.flat(), 1e-6);
  assert.equal(axisCodes(orientationOf(volume.voxelToWorld)), golden.axcodes);
  const [nx, ny] = golden.shape as [number, number];
  for (const { ijk, value } of golden.voxels) {
    const [i, j, k] = ijk as [number, number, number];
    // The reference values are float32.
    assert.equal(Math.fround(volume.voxels[i + nx * (j + ny * k)]!), value, `voxel ${ijk}`);
  }
}

for (const [name, golden] of Object.entries(GOLDEN)) {
  test(`${name} reads as in nibabel`, () => agreesWithNibabel(readFixture(name), name, golden));
}

const VOLUMES = 'golden/imaging/volumes.json';
test('all real scans and labels read as in nibabel', { skip: withoutShared(VOLUMES) }, () => {
  const volumes: Record<string, Golden> = JSON.parse(readFileSync(sharedPath(VOLUMES), 'utf8'));
  const scans = Object.entries(volumes).filter(([path]) => path.startsWith('data/') && path.endsWith('.nii.gz'));
  assert.equal(scans.length, 10);
  for (const [path, golden] of scans) agreesWithNibabel(readShared(path), path, golden);
});

/** From test/fixtures/nifti/make_cases.py. */
const SCALARS: { name: string; dtype: string; file: string; values: number[] }[] = JSON.parse(
  readFileSync(new URL('../../fixtures/nifti/scalars.json', import.meta.url), 'utf8'),
);
for (const { name, file, values } of SCALARS) {
  test(`${name} has the values that nibabel gives, plain and gzipped`, () => {
    const gzipped = Buffer.from(file, 'base64');
    const [fromGzip, fromPlain] = [gzipped, gunzipSync(gzipped)].map((bytes) => readNifti(bytes, name));
    assert.deepEqual([...fromGzip!.shape], [3, 2, 2]);
    // Scaled 16-bit and smaller numbers are kept in float32.
    assert.deepEqual(
      [...fromPlain!.voxels],
      fromPlain!.voxels instanceof Float32Array ? values.map(Math.fround) : values,
    );
    assert.deepEqual(fromGzip!.voxels, fromPlain!.voxels);
    closeTo(fromPlain!.voxelToWorld, [0, 0, 2.5, -7, -1.25, 0, 0, 4, 0, 0.75, 0, 1.5, 0, 0, 0, 1], 1e-6);
  });
}

test('a file read from a pooled Buffer gives the same voxels', () => {
  // Small Buffers are views into a shared pool, and Buffer.slice does not copy: both have bitten here.
  const pooled = Buffer.from(readFixture('int16.nii.gz'));
  const own = readFixture('int16.nii.gz');
  assert.deepEqual(readNifti(pooled, 'a').voxels, readNifti(own, 'a').voxels);
});

test('reading leaves the bytes of a big-endian file as they were', () => {
  const bytes = readFixture('bigendian_int16.nii');
  readNifti(bytes, 'a');
  assert.deepEqual(bytes, readFixture('bigendian_int16.nii'));
});

test('a file of two axes is one slice', () => {
  const volume = asVolume3(readNifti(readFixture('two_d.nii.gz'), 'two_d.nii.gz'));
  assert.deepEqual(volume.shape, [12, 10]);
  assert.deepEqual(volume.shape3, [12, 10, 1]);
});

test('a fourth axis of length one is dropped', () => {
  const bytes = changedHeader((header) => {
    header.setInt16(FIELD.dim(0), 4, true);
    header.setInt16(FIELD.dim(4), 1, true);
  });
  const volume = asVolume3(readNifti(bytes, 'a.nii'));
  assert.deepEqual(volume.shape, [12, 10, 8, 1]);
  assert.deepEqual(volume.shape3, [12, 10, 8]);
});

test('a time series is refused as a volume', () => {
  const series = readNifti(readFixture('four_d.nii.gz'), 'four_d.nii.gz');
  assertFault(() => asVolume3(series), 'NIFTI_NOT_3D', /four_d\.nii\.gz: found 4 axes, 12 x 10 x 8 x 2/);
});

test('slope and intercept give the values nibabel gives', () => {
  const { voxels, datatype } = readNifti(readFixture('slope_inter.nii.gz'), 'a');
  assert.equal(datatype, 'int16');
  assert.ok(voxels instanceof Float32Array);
});

for (const slope of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
  test(`a slope of ${slope} means no scaling, whatever the intercept`, () => {
    const bytes = changedHeader((header) => {
      header.setFloat32(FIELD.slope, slope, true);
      header.setFloat32(FIELD.inter, 17, true);
    });
    assert.deepEqual(readNifti(bytes, 'a').voxels, readNifti(readFixture('int16.nii'), 'a').voxels);
  });
}

test('a gzip stream of two members is read as one', () => {
  const plain = readFixture('int16.nii');
  const joined = Buffer.concat([gzipSync(plain.subarray(0, 1000)), gzipSync(plain.subarray(1000))]);
  assert.deepEqual(readNifti(joined, 'a').voxels, readNifti(plain, 'a').voxels);
});

test('a few bytes after the voxels are ignored, as nibabel does', () => {
  const plain = readFixture('int16.nii');
  const longer = Buffer.concat([plain, new Uint8Array(100)]);
  assert.deepEqual(readNifti(longer, 'a').voxels, readNifti(plain, 'a').voxels);
  assert.deepEqual(readNifti(gzipSync(longer), 'a').voxels, readNifti(plain, 'a').voxels);
});

test('an extension flag without an extension does not matter', () => {
  const bytes = changedHeader((header) => header.setUint8(348, 1));
  assert.equal(readNifti(bytes, 'a').voxels.length, 960);
});

test('what is written reads back: voxels, affine, codes', () => {
  const voxels = Int16Array.from({ length: 4 * 3 * 2 }, (_, index) => index * 100 - 1000);
  const voxelToWorld = [0, 0, 2, 1, -1.5, 0, 0, 2, 0, 1.25, 0, 3, 0, 0, 0, 1];
  const bytes = writeNifti({ shape: [4, 3, 2], voxels, voxelToWorld, qformCode: 1, sformCode: 2 });
  const back = readNifti(bytes, 'a');
  assert.deepEqual(back.shape, [4, 3, 2]);
  assert.deepEqual(back.voxels, voxels);
  assert.deepEqual([...back.voxelToWorld], voxelToWorld);
  assert.deepEqual([back.qformCode, back.sformCode, back.notes.length], [1, 2, 0]);
});

test('sform and qform of a written file agree, so that every viewer overlays it alike', () => {
  for (const name of ['int16.nii', 'sagittal_psr.nii.gz', 'lpi.nii.gz']) {
    const { voxelToWorld } = readNifti(readFixture(name), name);
    const bytes = writeNifti({ shape: [2, 2, 2], voxels: new Uint8Array(8), voxelToWorld });
    const view = new DataView(bytes.buffer);
    // int16.nii is sheared: a qform cannot say that, and none is written.
    const sheared = name === 'int16.nii';
    assert.equal(view.getInt16(FIELD.qformCode, true), sheared ? 0 : 1, name);
    if (sheared) continue;
    view.setInt16(FIELD.sformCode, 0, true);
    const byQform = readNifti(bytes, name);
    assert.equal(byQform.affineSource, 'qform');
    closeTo(byQform.voxelToWorld, voxelToWorld, 1e-5);
  }
});

test('a mask goes back onto the grid of its scan: shape, affine, codes, voxels', () => {
  for (const name of [
    'sagittal_psr.nii.gz',
    'lpi.nii.gz',
    'qform_only.nii.gz',
    'two_d.nii.gz',
    'nifti2_int16.nii.gz',
  ]) {
    const scan = asVolume3(readNifti(readFixture(name), name));
    const native = Uint8Array.from(scan.voxels, (value) => (value > 300 ? 1 : 0));
    const orientation = orientationOf(scan.voxelToWorld);
    const canonical = toCanonical(native, scan.shape3, orientation, new Uint8Array(native.length));
    const back = readNifti(writeMaskOnNativeGrid(canonical, { native: scan }), 'mask.nii.gz');
    assert.deepEqual(back.shape, scan.shape, name);
    assert.deepEqual(back.voxels, native, name);
    closeTo(back.voxelToWorld, scan.voxelToWorld, 1e-6);
    assert.deepEqual([back.qformCode, back.sformCode], [scan.qformCode, scan.sformCode], name);
  }
});

test('the mask of a scan without orientation lies where the scan was read', () => {
  const scan = readNifti(
    changedHeader((header) => {
      header.setInt16(FIELD.qformCode, 0, true);
      header.setInt16(FIELD.sformCode, 0, true);
    }),
    'a',
  );
  assert.equal(scan.affineSource, 'none');
  const back = readNifti(writeMaskOnNativeGrid(new Uint8Array(960), { native: scan }), 'mask.nii.gz');
  closeTo(back.voxelToWorld, scan.voxelToWorld, 1e-5);
});

test('the same mask gives the same bytes, without time or platform in the gzip header', () => {
  const scan = readNifti(readFixture('lpi.nii.gz'), 'a');
  const write = () => writeMaskOnNativeGrid(new Uint8Array(960).fill(1), { native: scan });
  assert.deepEqual(write(), write());
  assert.deepEqual([...write().subarray(4, 8), write()[9]], [0, 0, 0, 0, 255]);
  assert.equal(gunzipSync(write()).length, 352 + 960);
});
