import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAY_SHOW_NAMES } from '../../../lib/volume/dicom-burned-in.ts';
import { looksLikeDicom, parseDicomFrames, parseDicomHeader } from '../../../lib/volume/dicom-header.ts';
import { arrangeSeries } from '../../../lib/volume/dicom-series.ts';
import { type DicomSlice, dicomFile } from '../../helpers/dicom-file.ts';
import { readDicomFixture } from '../../helpers/dicom-fixtures.ts';
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
  ['what says itself that it shows words', 'DICOM_BURNED_IN', { more: { '00280301': ['CS', 'YES'] } }],
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

const MODALITY = (modality: string) => ({ '00080060': ['CS', modality] }) as const;
const CAPTURE = { '00080016': ['UI', '1.2.840.10008.5.1.4.1.1.7.2'] } as const;
for (const [claim, expected, more] of [
  ['a CT', undefined, {}],
  ['an ultrasound', true, MODALITY('US')],
  ['a secondary capture of a CT', true, CAPTURE],
  ['one that says that it shows no words', undefined, { ...CAPTURE, '00280301': ['CS', 'NO'] }],
] as const) {
  test(`${claim} ${expected ? 'is noted as one that may show names' : 'is not noted as one that shows names'}`, () => {
    const header = parse({ more });
    assert.equal(header.mayShowNames, expected);
    assert.deepEqual(arrangeSeries([header]).notes.filter((note) => note === MAY_SHOW_NAMES).length, expected ? 1 : 0);
  });
}

/** The same file with another value in an element of two bytes. */
const withUint16 = (number: number, value: number): Uint8Array => {
  const bytes = Buffer.from(dicomFile());
  const at = bytes.indexOf(Buffer.from([0x28, 0, number & 255, number >> 8, 0x55, 0x53]));
  bytes.writeUInt16LE(value, at + 8);
  return new Uint8Array(bytes);
};
for (const [claim, element, value] of [
  ['12 bits in the upper part of 16', 0x0102, 15],
  ['more bits stored than allocated', 0x0101, 17],
  ['7 bits allocated', 0x0100, 7],
  ['a sign that is none', 0x0103, 2],
] as const) {
  test(`${claim} are not guessed about`, () => {
    assertFault(() => parseDicomHeader(withUint16(element, value), 'a'), 'DICOM_BITS', /bits stored of/);
  });
}

const readDicom = (name: string) => readDicomFixture(name).bytes;

test('an enhanced CT gives a header for each frame, in the order of the file', () => {
  const headers = parseDicomFrames(readDicom('enhanced.dcm'), 'e.dcm').map(({ header }) => header);
  assert.deepEqual(
    headers.map(({ name, positionLpsMm }) => [name, positionLpsMm[2]]),
    [
      ['e.dcm (frame 1)', 34],
      ['e.dcm (frame 2)', 30],
      ['e.dcm (frame 3)', 32],
    ],
  );
  const { pixelSpacingMm, rowDirectionLps, sliceThicknessMm, rescale } = headers[2]!;
  assert.deepEqual([pixelSpacingMm, rowDirectionLps, sliceThicknessMm], [[0.8, 0.5], [1, 0, 0], 2]);
  assert.deepEqual(rescale, [2, -1000]);
  assertFault(() => parseDicomHeader(readDicom('enhanced.dcm'), 'e.dcm'), 'DICOM_MULTIFRAME', /3 frames in one file/);
});

test('an enhanced CT that counts other frames than it places is refused', () => {
  const bytes = Buffer.from(readDicom('enhanced.dcm'));
  // NumberOfFrames, an integer string.
  const at = bytes.indexOf(Buffer.from([0x28, 0, 0x08, 0, 0x49, 0x53]));
  bytes.write('2 ', at + 8);
  assertFault(() => parseDicomFrames(bytes, 'e.dcm'), 'DICOM_MULTIFRAME', /2 frames without a place for each/);
});

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
