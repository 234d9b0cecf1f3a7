import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { withLabelTable } from '../../../lib/volume/label-table.ts';
import {
  asVolume3,
  readNifti,
  writeMaskOnNativeGrid,
  writeProbabilityOnNativeGrid,
} from '../../../lib/volume/nifti.ts';
import { canonicalShape, orientationOf, toCanonical } from '../../../lib/volume/orientation.ts';
import { readFixture } from '../../helpers/nifti-fixtures.ts';
import { readPlainNifti } from '../../helpers/plain-nifti.ts';

const ORGANS = [
  { label: 1, name: 'liver' },
  { label: 5, name: 'left & right <lung>' },
  { label: 255, name: 'Niere' },
];
const scan = asVolume3(readNifti(readFixture('sagittal_psr.nii.gz'), 'scan'));
/** A third of the voxels is background, the rest belongs to the three organs in turn. */
const native = Uint8Array.from(scan.voxels, (_, at) => (at % 3 === 0 ? 0 : ORGANS[(at % 7) % 3]!.label));
const orientation = orientationOf(scan.voxelToWorld);
const canonical = toCanonical(native, scan.shape3, orientation, new Uint8Array(native.length));

test('a map of several structures goes back onto the grid of its scan, every label with its value', () => {
  const file = readPlainNifti(writeMaskOnNativeGrid(canonical, { native: scan }, ORGANS));
  assert.deepEqual(file.voxels, native);
  assert.deepEqual(file.shape, scan.shape);
  assert.notDeepEqual(canonicalShape(scan.shape3, orientation), scan.shape);
});

test('the names of the structures stand in the header, as Workbench and TotalSegmentator have them', () => {
  const { extension } = readPlainNifti(writeMaskOnNativeGrid(canonical, { native: scan }, ORGANS));
  assert.equal(extension!.code, 0);
  const labels = [
    ...extension!.text.matchAll(
      /<Label Key="(\d+)" Red="[\d.]+" Green="[\d.]+" Blue="[\d.]+" Alpha="1">(.*)<\/Label>/g,
    ),
  ];
  assert.deepEqual(
    labels.map(([, key, name]) => [key, name]),
    [
      ['1', 'liver'],
      ['5', 'left &amp; right &lt;lung&gt;'],
      ['255', 'Niere'],
    ],
  );
  assert.match(extension!.text, /^<\?xml[^>]*>\s*<CaretExtension><VolumeInformation Index="0">\s*<LabelTable>/);
});

test('a table changes nothing for a reader that skips it, and is left out where there are no names', () => {
  const [named, plain] = [ORGANS, []].map((structures) =>
    writeMaskOnNativeGrid(canonical, { native: scan }, structures),
  );
  const [one, other] = [named!, plain!].map((bytes) => readNifti(bytes, 'mask'));
  assert.deepEqual({ ...one, voxelOffset: 0 }, { ...other, voxelOffset: 0 });
  assert.equal(readPlainNifti(plain!).extension, null);
});

test('the extension is as nifti1.h wants it: a multiple of 16 bytes that ends where the voxels begin, in both versions', () => {
  for (let letters = 1; letters < 20; letters += 1) {
    const bytes = gunzipSync(
      writeMaskOnNativeGrid(canonical, { native: scan }, [{ label: 1, name: 'x'.repeat(letters) }]),
    );
    const size = bytes.readInt32LE(352);
    assert.deepEqual([size % 16, bytes.readFloatLE(108), bytes[348]], [0, 352 + size, 1]);
  }
  const second = gunzipSync(readFixture('nifti2_int16.nii.gz'));
  const changed = Buffer.from(withLabelTable(second, ORGANS));
  assert.equal(changed.readBigInt64LE(168), BigInt(544 + changed.readInt32LE(544)));
  assert.deepEqual(readNifti(changed, 'named').voxels, readNifti(second, 'plain').voxels);
});

test('probabilities go back onto the grid of their scan as float32', () => {
  const values = Float32Array.from(native, (label) => label / 255);
  const onCanonical = toCanonical(values, scan.shape3, orientation, new Float32Array(values.length));
  const file = readPlainNifti(writeProbabilityOnNativeGrid(onCanonical, { native: scan }));
  assert.deepEqual(file.voxels, values);
  assert.equal(file.geometryBytes, readPlainNifti(writeMaskOnNativeGrid(canonical, { native: scan })).geometryBytes);
});
