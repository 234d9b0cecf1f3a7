import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { encodeVolume, readPatientVolume } from '../../../lib/dataset/volume-record.ts';
import { isFault } from '../../../lib/fault.ts';
import { readDicomSeries } from '../../../lib/volume/dicom.ts';
import { inspectVolume } from '../../../lib/volume/inspect.ts';
import { dicomFile } from '../../helpers/dicom-file.ts';
import { DICOM_IDENTITY, DICOM_VALUES, readDicomFixture } from '../../helpers/dicom-fixtures.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';
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

/** Lossy decoders round differently: by a step or two of the stored value, which the slope doubles. */
const TOLERANCE: Record<string, number> = { 'jpeg-baseline-u8.dcm': 2, 'jpeg-extended-u12.dcm': 2 };
for (const [name, values] of Object.entries(DICOM_VALUES)) {
  test(`${name} has the values that were written into it`, async () => {
    const { shape, voxels, voxelToWorld } = await readDicomSeries([readDicomFixture(name)]);
    assert.deepEqual(shape, [12, 10, name.startsWith('enhanced') ? 3 : 1]);
    assert.deepEqual(voxelToWorld, [-0.5, 0, 0, 10, 0, -0.8, 0, 20, 0, 0, 2, 30, 0, 0, 0, 1]);
    assert.equal(voxels.length, values.length);
    voxels.forEach((value, at) => {
      assert.ok(Math.abs(value - values[at]!) <= (TOLERANCE[name] ?? 0), `${value}, not ${values[at]}, at ${at}`);
    });
  });
}

test('an enhanced CT beside another file is refused', async () => {
  const files = ['explicit-u12.dcm', 'enhanced.dcm'].map(readDicomFixture);
  await assertRejectsWithFault(readDicomSeries(files), 'DICOM_MULTIFRAME', /^enhanced\.dcm \(frame 1\)/);
});

test('frames that lie at one position are refused', async () => {
  const { name, bytes } = readDicomFixture('enhanced.dcm');
  const twice = Buffer.from(bytes);
  twice.write('\\30.0', twice.indexOf('\\32.0'));
  await assertRejectsWithFault(readDicomSeries([{ name, bytes: twice }]), 'DICOM_DUPLICATE_SLICE', /frame [23]/);
});

test('the slice whose pixels are damaged is named, not the first that was decoded with it', async () => {
  const files = ['jpeg-ls-u12.dcm', 'jpeg-2000-u12.dcm', 'jpeg-ls-u12.dcm'].map((name, k) => {
    const { bytes } = readDicomFixture(name);
    const moved = Buffer.from(bytes);
    moved.write(`\\${30 + 2 * k}.0`, moved.indexOf('\\30.0'));
    return { name: `${k}.dcm`, bytes: new Uint8Array(moved) };
  });
  const scan = Buffer.from(files[2]!.bytes.buffer).lastIndexOf(Buffer.from([0xff, 0xda]));
  files[2]!.bytes.fill(0x55, scan + 10, scan + 60);
  await assertRejectsWithFault(
    readDicomSeries(files),
    'DICOM_DECODE',
    /^2\.dcm: found pixels that the decoder refuses/,
  );
});

/** The slice of a fixture, again and again, 2 mm apart. */
const stack = (name: string, count: number) =>
  Array.from({ length: count }, (_, k) => {
    const moved = Buffer.from(readDicomFixture(name).bytes);
    moved.write(`\\${30 + 2 * k}.0`, moved.indexOf('\\30.0'));
    return { name: `${String(k).padStart(2, '0')}.dcm`, bytes: new Uint8Array(moved) };
  });

test('a series long enough for threads has all its slices, in place', async () => {
  const files = stack('jpeg-ls-u12.dcm', 30).map((file, k) => (k % 7 === 3 ? stack('rle-u12.dcm', 30)[k]! : file));
  const { shape, voxels } = await readDicomSeries(files.reverse());
  assert.deepEqual(shape, [12, 10, 30]);
  for (let k = 0; k < 30; k += 1) {
    assert.deepEqual([...voxels.subarray(120 * k, 120 * (k + 1))], DICOM_VALUES['jpeg-ls-u12.dcm'], `slice ${k}`);
  }
});

test('a damaged slice of a series long enough for threads is named', async () => {
  const files = stack('jpeg-ls-u12.dcm', 30);
  const { bytes } = files[17]!;
  const scan = Buffer.from(bytes.buffer).lastIndexOf(Buffer.from([0xff, 0xda]));
  bytes.fill(0x55, scan + 10, scan + 60);
  await assertRejectsWithFault(readDicomSeries(files), 'DICOM_DECODE', /^17\.dcm/);
});

test('nothing of the patient comes out: not in the record of the scan, not in a fault, not in its cause', async () => {
  for (const name of Object.keys(DICOM_VALUES)) {
    const file = readDicomFixture(name);
    assert.match(Buffer.from(file.bytes).toString('latin1'), DICOM_IDENTITY);
    const facts = await inspectVolume([file]);
    const record = encodeVolume(await readPatientVolume({ image: [file], mask: null, labels: null }));
    assert.doesNotMatch(JSON.stringify(facts) + Buffer.from(record).toString('latin1'), DICOM_IDENTITY);
    for (let length = 140; length < file.bytes.length; length += 41) {
      await assert.rejects(inspectVolume([{ name, bytes: file.bytes.slice(0, length) }]), (error: Error) => {
        assert.doesNotMatch(`${error.message} ${error.cause}`, DICOM_IDENTITY);
        return isFault(error);
      });
    }
  }
});

test('a file named by UID, date or number is told by its place in the folder', async () => {
  const uid = (k: number) => `CT.1.2.840.113619.20210304.${k}.dcm`;
  const files = series(3).map(({ bytes }, k) => ({ name: uid(k), bytes }));
  const twice = [files[2]!, files[0]!, { ...files[1]!, bytes: files[0]!.bytes }];
  await assertRejectsWithFault(
    readDicomSeries(twice),
    'DICOM_DUPLICATE_SLICE',
    /^file 2 of 3, by name: found a slice at the position of file 1 of 3, by name,/,
  );
});

const SERIES = 'data/ct-dicom/series';
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
