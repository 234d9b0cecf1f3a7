import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readDicomSeries } from '../../../lib/volume/dicom.ts';
import { inspectVolume } from '../../../lib/volume/inspect.ts';
import { dicomFile } from '../../helpers/dicom-file.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';
import type { Golden } from '../../helpers/nifti-fixtures.ts';
import { readShared, sharedPath, withoutShared } from '../../helpers/shared-data.ts';

const filesOf = (folder: string) =>
  readdirSync(sharedPath(folder)).map((name) => ({ name, bytes: readShared(`${folder}/${name}`) }));

/** Slice k holds 100 k, 100 k + 1, ... and lies 2 k mm up. */
const series = (count: number) =>
  Array.from({ length: count }, (_, k) => ({
    name: `${k}.dcm`,
    bytes: dicomFile({
      position: [-10, -20, 2 * k],
      pixels: Uint16Array.from({ length: 24 }, (_, index) => 100 * k + index),
    }),
  }));

test('voxels are in Hounsfield units, slice after slice, whatever the order of the files', async () => {
  const files = series(5);
  const volume = await readDicomSeries([files[3]!, files[0]!, files[4]!, files[1]!, files[2]!]);
  assert.deepEqual(volume.shape, [6, 4, 5]);
  assert.deepEqual(volume.voxelToWorld, [-0.5, 0, 0, 10, 0, -0.8, 0, 20, 0, 0, 2, 0, 0, 0, 0, 1]);
  const expected = Array.from({ length: 120 }, (_, at) => 100 * Math.floor(at / 24) + (at % 24) - 1024);
  assert.deepEqual([...volume.voxels], expected);
});

test('a series longer than one batch of the decoder is whole', async () => {
  const { shape, voxels } = await readDicomSeries(series(40));
  assert.deepEqual(shape, [6, 4, 40]);
  assert.equal(voxels[24 * 39 + 5], 3900 + 5 - 1024);
});

test('a single slice is a volume of one slice', async () => {
  const { shape, voxels } = await readDicomSeries(series(1));
  assert.deepEqual(shape, [6, 4, 1]);
  assert.equal(voxels[7], 7 - 1024);
});

const SERIES = 'data/ct-dicom/series';
test('a JPEG 2000 series reads as in SimpleITK and nibabel', { skip: withoutShared(SERIES) }, async () => {
  const golden: Golden = JSON.parse(readFileSync(sharedPath('golden/imaging/volumes.json'), 'utf8'))[SERIES];
  const facts = await inspectVolume(filesOf(SERIES));
  assert.deepEqual([facts.shape, facts.dtype, facts.axcodes], [golden.shape, golden.dtype, golden.axcodes]);
  assert.deepEqual(facts.zooms, golden.zooms);
  assert.deepEqual([facts.min, facts.max], [golden.min, golden.max]);
  assert.ok(Math.abs(facts.mean - golden.mean) < 1e-9);
  facts.affine.flat().forEach((value, at) => {
    assert.ok(Math.abs(value - golden.affine.flat()[at]!) < 1e-6);
  });
  assert.equal(facts.ras.sha256_f32_fortran, golden.ras.sha256_f32_fortran);
});

const RLE = 'malformed/dicom_rle_ok';
test('RLE slices hold the voxels of the JPEG 2000 slices they were made from', {
  skip: withoutShared(RLE),
}, async () => {
  const jpeg = filesOf(SERIES).sort((a, b) => (a.name < b.name ? -1 : 1));
  const [rle, original] = await Promise.all([readDicomSeries(filesOf(RLE)), readDicomSeries(jpeg.slice(0, 4))]);
  assert.deepEqual(rle.voxels, original.voxels);
  assert.deepEqual(rle.voxelToWorld, original.voxelToWorld);
});

test('compressed slices that are cut off are refused', { skip: withoutShared(SERIES) }, async () => {
  const [first, second] = filesOf(SERIES);
  const cut = { name: 'cut.dcm', bytes: second!.bytes.slice(0, 100_000) };
  await assertRejectsWithFault(readDicomSeries([first!, cut]), 'DICOM_PIXELS_TRUNCATED', /^cut\.dcm/);
});
