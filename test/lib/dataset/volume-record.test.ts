import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { unsliceMask } from '../../../lib/dataset/slices.ts';
import { decodeVolume, encodeVolume, readPatientVolume } from '../../../lib/dataset/volume-record.ts';
import { encodeSafetensors } from '../../../lib/safetensors.ts';
import { applyAffine } from '../../../lib/volume/affine.ts';
import { readNifti, writeMaskOnNativeGrid, writeNifti } from '../../../lib/volume/nifti.ts';
import { dicomFile } from '../../helpers/dicom-file.ts';
import { assertFault, assertRejectsWithFault } from '../../helpers/faults.ts';
import { readFixture } from '../../helpers/nifti-fixtures.ts';
import { readShared, sharedPath, withoutShared } from '../../helpers/shared-data.ts';
import { oneStack, slicing } from '../../helpers/volumes.ts';

const fixture = (name: string) => ({ name, bytes: readFixture(name) });
const readImage = (name: string) => readPatientVolume({ image: [fixture(name)], mask: null, labels: null });

test('a scan comes on the RAS+ grid, with its own grid remembered', async () => {
  const { shape, voxelToWorld, spacingMm, native, image } = await readImage('sagittal_psr.nii.gz');
  assert.deepEqual(shape, [8, 12, 10]);
  assert.ok(image instanceof Int16Array);
  assert.deepEqual([native.axisCodes, native.shape, native.datatype], ['PSR', [12, 10, 8], 'int16']);
  assert.deepEqual(
    spacingMm.map((mm) => Math.round(mm * 1000) / 1000),
    [2, 1.5, 1.2],
  );
  assert.ok(voxelToWorld[0]! > 0 && voxelToWorld[5]! > 0 && voxelToWorld[10]! > 0);
});

test('whole numbers in the range of int16 take two bytes, others four', async () => {
  for (const [name, type] of [
    ['uint16.nii.gz', Int16Array],
    ['int64.nii', Int16Array],
    ['float32.nii.gz', Float32Array],
    ['slope_inter.nii.gz', Float32Array],
  ] as const) {
    assert.equal((await readImage(name)).image.constructor, type, name);
  }
});

test('NaN and infinity become finite, and that is recorded', async () => {
  const voxels = Float32Array.of(1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 7.5, 2, 3, 4);
  const bytes = (data: Float32Array) =>
    writeNifti({ shape: [2, 2, 2], voxels: data, voxelToWorld: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] });
  const read = (data: Float32Array) =>
    readPatientVolume({ image: [{ name: 'a.nii', bytes: bytes(data) }], mask: null, labels: null });
  const { image, repairs } = await read(voxels);
  assert.deepEqual([...image], [1.5, 1.5, 7.5, 1.5, 7.5, 2, 3, 4]);
  assert.match(repairs.join(), /^3 voxels were NaN or infinite/);
  await assertRejectsWithFault(read(new Float32Array(8).fill(Number.NaN)), 'VOLUME_NO_VALUES');
});

test('a time series is refused', async () => {
  await assertRejectsWithFault(readImage('four_d.nii.gz'), 'NIFTI_NOT_3D');
});

test('a volume survives its artifact; the same volume gives the same bytes, without names', async () => {
  const bytes = readFixture('lpi.nii.gz');
  const files = { image: [{ name: 'Jane Doe.nii.gz', bytes }], mask: { name: 'Doe mask', bytes }, labels: [[45, 27]] };
  const volume = await readPatientVolume(files);
  const encoded = encodeVolume(volume);
  assert.deepEqual(decodeVolume(encoded), volume);
  assert.deepEqual(encodeVolume(decodeVolume(encoded)), encoded);
  assert.doesNotMatch(Buffer.from(encoded).toString('latin1'), /Doe/);
  assertFault(() => decodeVolume(encodeSafetensors([])), 'VOLUME_FORMAT');
});

test('a mask cut into slices and put back lies on the scan’s own grid, voxel by voxel (D4)', async () => {
  for (const name of ['sagittal_psr.nii.gz', 'lpi.nii.gz', 'uint8.nii.gz', 'two_d.nii.gz', 'bigendian_int16.nii']) {
    const scan = readNifti(readFixture(name), name);
    const truth = Uint8Array.from(scan.voxels, (value) => (value % 2 === 0 ? 1 : 0));
    const { shape, voxelToWorld } = scan;
    const mask = { name: 'mask.nii', bytes: writeNifti({ shape, voxels: truth, voxelToWorld }) };
    const volume = await readPatientVolume({ image: [fixture(name)], mask, labels: null });
    for (const axis of ['axial', 'coronal', 'sagittal'] as const) {
      const stack = oneStack(volume, slicing({ axis }));
      const canonical = unsliceMask(stack.masks!, stack, volume);
      const back = readNifti(writeMaskOnNativeGrid(canonical, volume), 'back.nii.gz');
      assert.deepEqual(back.voxels, truth, `${name} ${axis}`);
      assert.deepEqual(back.shape, shape);
    }
  }
});

test('a DICOM series and a mask in another axis order make one patient', async () => {
  const image = [0, 1, 2].map((k) => ({
    name: `${k}.dcm`,
    bytes: dicomFile({ position: [-10, -20, 2 * k], pixels: new Uint16Array(24).fill(100 * k) }),
  }));
  // The series is LPS; the mask is LAS: rows counted from the back.
  const voxels = Uint8Array.from({ length: 72 }, (_, at) => (at >= 24 && at < 30 ? 1 : 0));
  const voxelToWorld = [-0.5, 0, 0, 10, 0, 0.8, 0, 20 - 3 * 0.8, 0, 0, 2, 0, 0, 0, 0, 1];
  const mask = { name: 'm.nii', bytes: writeNifti({ shape: [6, 4, 3], voxels, voxelToWorld }) };
  const volume = await readPatientVolume({ image, mask, labels: null });
  assert.deepEqual([volume.native.kind, volume.native.axisCodes, volume.shape], ['dicom', 'LPS', [6, 4, 3]]);
  const inside = volume.mask!.indexOf(1);
  assert.equal(volume.image[inside], 100 - 1024);
  // The row furthest back, in the second slice.
  assert.equal(inside, 24);
  const back = readNifti(writeMaskOnNativeGrid(volume.mask!, volume), 'back.nii.gz');
  assert.deepEqual([...applyAffine(back.voxelToWorld, [0, 0, 1])].map(Math.round), [10, 20, 2]);
  assert.deepEqual(
    [...back.voxels.entries()].filter(([, value]) => value === 1).map(([at]) => at),
    [42, 43, 44, 45, 46, 47],
  );
});

const SERIES = 'data/ct-dicom/series';
test('the real DICOM series (LPS) and its labels (LAS) lie on each other', {
  skip: withoutShared(SERIES),
}, async () => {
  const image = readdirSync(sharedPath(SERIES)).map((name) => ({ name, bytes: readShared(`${SERIES}/${name}`) }));
  const mask = { name: 'labels.nii.gz', bytes: readShared('data/ct-dicom/labels.nii.gz') };
  const expected = JSON.parse(Buffer.from(readShared('golden/imaging/volumes.json')).toString())[SERIES];
  for (const [label, meanHu] of Object.entries<number>(expected.mean_HU_under_label)) {
    const volume = await readPatientVolume({ image, mask, labels: [[Number(label)]] });
    let [sum, count] = [0, 0];
    volume.mask!.forEach((value, at) => {
      sum += value * volume.image[at]!;
      count += value;
    });
    assert.ok(Math.abs(sum / count - meanHu) < 1e-6, `label ${label}: ${sum / count} HU, not ${meanHu}`);
  }
});
