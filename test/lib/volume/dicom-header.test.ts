import assert from 'node:assert/strict';
import { test } from 'node:test';
import { looksLikeDicom, parseDicomHeader } from '../../../lib/volume/dicom-header.ts';
import { type DicomSlice, dicomFile } from '../../helpers/dicom-file.ts';
import { assertFault } from '../../helpers/faults.ts';

const parse = (slice: DicomSlice) => parseDicomHeader(dicomFile(slice), '7.dcm');

test('a header gives place, size and scale of its slice', () => {
  assert.deepEqual(parse({ seriesUid: '1.2.3' }), {
    name: '7.dcm',
    seriesUid: '1.2.3',
    rows: 4,
    columns: 6,
    pixelSpacingMm: [0.8, 0.5],
    positionLpsMm: [-10, -20, 30],
    rowDirectionLps: [1, 0, 0],
    columnDirectionLps: [0, 1, 0],
    sliceThicknessMm: 2,
    rescale: [1, -1024],
  });
});

test('an absent UID is empty, an absent thickness null', () => {
  const { seriesUid, sliceThicknessMm } = parse({ thickness: null });
  assert.deepEqual([seriesUid, sliceThicknessMm], ['', null]);
});

test('rounded direction cosines come back with length one', () => {
  const { rowDirectionLps } = parse({ orientation: [0.866, 0.5, 0, 0, 0, -1] });
  assert.ok(Math.abs(Math.hypot(...rowDirectionLps) - 1) < 1e-12);
});

const REFUSED: [claim: string, code: string, slice: DicomSlice][] = [
  ['no position', 'DICOM_NO_POSITION', { position: null }],
  ['a position of two numbers', 'DICOM_NO_POSITION', { position: [1, 2] }],
  ['a position that is no number', 'DICOM_NO_POSITION', { position: [1, Number.NaN, 2] }],
  ['no orientation', 'DICOM_NO_POSITION', { orientation: null }],
  ['directions that are not at right angles', 'DICOM_ORIENTATION', { orientation: [1, 0, 0, 0.7, 0.7, 0] }],
  ['directions of zero', 'DICOM_ORIENTATION', { orientation: [0, 0, 0, 0, 0, 0] }],
  ['no pixel spacing', 'DICOM_NO_SPACING', { spacing: null }],
  ['a pixel spacing of zero', 'DICOM_NO_SPACING', { spacing: [0, 1] }],
  ['colour', 'DICOM_COLOUR', { samples: 3 }],
  ['several frames', 'DICOM_MULTIFRAME', { frames: 20 }],
  ['inverted grey', 'DICOM_PHOTOMETRIC', { photometric: 'MONOCHROME1' }],
  ['a slope of zero', 'DICOM_RESCALE', { rescale: ['0', '0'] }],
  ['no rows', 'DICOM_NO_PIXELS', { rows: 0, pixels: new Uint16Array(2) }],
  ['too few pixels', 'DICOM_PIXELS_TRUNCATED', { pixels: new Uint16Array(10) }],
  ['video', 'DICOM_TRANSFER_SYNTAX', { transferSyntax: '1.2.840.10008.1.2.4.102' }],
  ['a deflated file', 'DICOM_TRANSFER_SYNTAX', { transferSyntax: '1.2.840.10008.1.2.1.99' }],
];

for (const [claim, code, slice] of REFUSED) {
  test(`${claim} is refused as ${code}`, () => {
    assertFault(() => parse(slice), code, /^7\.dcm: found .+, expected .+\. .+\.? \[DICOM_\w+\]$/);
  });
}

test('a file that is not DICOM is refused', () => {
  assert.ok(!looksLikeDicom(Buffer.from('hello')));
  assertFault(() => parseDicomHeader(Buffer.alloc(1000), 'a'), 'DICOM_FORMAT');
});

test('a file cut off anywhere is refused', () => {
  const whole = dicomFile();
  for (let length = 0; length < whole.length; length += 7) {
    assert.throws(() => parseDicomHeader(whole.slice(0, length), 'a'), /\[DICOM_\w+\]/, `${length} bytes`);
  }
});

test('no fault and no field shows whose scan it is', () => {
  const patientName = 'Doe^Jane';
  assert.doesNotMatch(JSON.stringify(parse({ patientName })), /Doe/);
  for (const [, , slice] of REFUSED) {
    assert.throws(
      () => parse({ ...slice, patientName }),
      (error: Error) => !JSON.stringify([error.message, String(error.cause)]).includes('Doe'),
    );
  }
});
