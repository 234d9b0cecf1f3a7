import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DicomHeader } from '../../../lib/volume/dicom-header.ts';
import { arrangeSeries } from '../../../lib/volume/dicom-series.ts';
import { assertFault } from '../../helpers/faults.ts';

const header = (z: number, change: Partial<DicomHeader> = {}): DicomHeader => ({
  name: `${z}.dcm`,
  seriesUid: '',
  rows: 4,
  columns: 6,
  pixelSpacingMm: [0.8, 0.5],
  positionLpsMm: [-10, -20, z],
  rowDirectionLps: [1, 0, 0],
  columnDirectionLps: [0, 1, 0],
  sliceThicknessMm: 3,
  rescale: [1, 0],
  ...change,
});

test('slices are ordered by position, and the grid is the one of the patient', () => {
  const { order, voxelToWorld, notes } = arrangeSeries([header(4), header(0), header(6), header(2)]);
  assert.deepEqual(order, [1, 3, 0, 2]);
  // Columns run to the left and rows to the back (LPS): both against RAS+. Spacing is [between rows, between columns].
  assert.deepEqual(voxelToWorld, [-0.5, 0, 0, 10, 0, -0.8, 0, 20, 0, 0, 2, 0, 0, 0, 0, 1]);
  assert.deepEqual(notes, []);
});

test('a coronal series is stacked along its own normal', () => {
  const coronal = (y: number) =>
    header(0, { positionLpsMm: [-10, y, 50], columnDirectionLps: [0, 0, -1], name: `${y}.dcm` });
  const { order, voxelToWorld } = arrangeSeries([coronal(0), coronal(5), coronal(10)]);
  // Row direction x column direction = +y in LPS: towards the back.
  assert.deepEqual(order, [0, 1, 2]);
  assert.deepEqual(voxelToWorld, [-0.5, 0, 0, 10, 0, 0, -5, 0, 0, -0.8, 0, 50, 0, 0, 0, 1]);
});

test('a missing slice is refused, and the place is named', () => {
  assertFault(
    () => arrangeSeries([0, 2, 4, 10, 12].map((z) => header(z))),
    'DICOM_GAP',
    /10\.dcm: found a step of 6 mm to the slice before it, expected 2 mm/,
  );
});

test('two slices at one place are refused', () => {
  assertFault(() => arrangeSeries([0, 2, 2, 4].map((z) => header(z))), 'DICOM_DUPLICATE_SLICE');
});

test('positions rounded to a decimal are evened out, and that is recorded', () => {
  const { notes, voxelToWorld } = arrangeSeries([0, 0.8, 1.5, 2.3, 3].map((z) => header(z)));
  assert.equal(voxelToWorld[10], 0.75);
  assert.match(notes.join(), /up to 0\.05 mm off an even grid/);
});

test('a tilted gantry is refused', () => {
  const tilted = [0, 1, 2].map((k) => header(5 * k, { positionLpsMm: [-10, -20 + k, 5 * k] }));
  assertFault(() => arrangeSeries(tilted), 'DICOM_SHEAR', /1 mm to the side/);
});

const MIXED: [claim: string, change: Partial<DicomHeader>][] = [
  ['series UID', { seriesUid: '1.2.3' }],
  ['size', { rows: 8 }],
  ['pixel spacing', { pixelSpacingMm: [0.8, 0.6] }],
  ['orientation', { rowDirectionLps: [0, 1, 0], columnDirectionLps: [0, 0, -1] }],
  ['rescale slope and intercept', { rescale: [1, -1024] }],
];
for (const [claim, change] of MIXED) {
  test(`slices of different ${claim} are refused, and no UID is shown`, () => {
    assertFault(
      () => arrangeSeries([header(0), header(2), header(4, change)]),
      'DICOM_MIXED_SERIES',
      new RegExp(`^4\\.dcm: found another ${claim} than in 0\\.dcm(?!.*1\\.2\\.3)`),
    );
  });
}

test('a single slice takes its thickness, or is refused without one', () => {
  const { voxelToWorld, notes } = arrangeSeries([header(7)]);
  assert.equal(voxelToWorld[10], 3);
  assert.equal(notes.length, 1);
  assertFault(() => arrangeSeries([header(7, { sliceThicknessMm: null })]), 'DICOM_NO_SPACING');
});
