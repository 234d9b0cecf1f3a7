import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDicomFrames } from '../../../lib/volume/dicom-header.ts';
import { checkJpeg, checkJpeg2000, checkRle } from '../../../lib/volume/dicom-streams.ts';
import { DICOM_VALUES, readDicomFixture } from '../../helpers/dicom-fixtures.ts';
import { assertFault } from '../../helpers/faults.ts';

const SIZE = { rows: 10, columns: 12, bitsAllocated: 16 };

const PIXEL_DATA = Buffer.from([0xe0, 0x7f, 0x10, 0x00, 0x4f, 0x42]);

/** The compressed image of a file of one frame: what follows the item of offsets, without the end of the sequence. */
function streamOf(name: string): Uint8Array {
  const bytes = Buffer.from(readDicomFixture(name).bytes);
  const item = bytes.indexOf(Buffer.from([0xfe, 0xff, 0x00, 0xe0]), bytes.lastIndexOf(PIXEL_DATA)) + 8;
  const length = bytes.readUInt32LE(item + 4);
  return new Uint8Array(bytes.subarray(item + 8, item + 8 + length));
}

const compressed = Object.keys(DICOM_VALUES).filter((name) => /^(jpeg|rle)/.test(name));
const checkOf = (name: string) =>
  name.startsWith('rle') ? checkRle : name.startsWith('jpeg-2000') ? checkJpeg2000 : checkJpeg;

for (const name of compressed) {
  test(`the image in ${name} is whole, and is not where it was cut off, anywhere`, () => {
    const [stream, check] = [streamOf(name), checkOf(name)];
    assert.equal(check(stream, SIZE), null);
    assert.equal(check(Uint8Array.of(...stream, 0, 0), SIZE), null, 'padding');
    // A byte or two less may have been padding.
    for (let length = 0; length < stream.length - 3; length += 1) {
      assert.notEqual(check(stream.slice(0, length), SIZE), null, `${length} bytes`);
    }
  });

  test(`the image in ${name} is refused under a header of another size`, () => {
    assert.notEqual(checkOf(name)(streamOf(name), { ...SIZE, rows: 11 }), null);
  });
}

test('a JPEG 2000 image that lost bytes in the middle is refused', () => {
  const stream = streamOf('jpeg-2000-u12.dcm');
  const lost = Uint8Array.of(...stream.slice(0, 150), ...stream.slice(160));
  assert.equal(checkJpeg2000(lost, SIZE), 'a JPEG 2000 image whose parts do not join');
});

test('RLE planes that are too few, too short or outside the stream are refused', () => {
  const stream = streamOf('rle-u12.dcm');
  const changed = (change: (header: DataView) => void) => {
    const copy = stream.slice();
    change(new DataView(copy.buffer));
    return checkRle(copy, SIZE);
  };
  assert.match(changed((header) => header.setUint32(0, 1, true))!, /1 RLE planes for 16 bits/);
  assert.match(changed((header) => header.setUint32(8, 1e6, true))!, /outside the stream/);
  assert.match(changed((header) => header.setUint32(4, header.getUint32(8, true), true))!, /an RLE plane of 0 bytes/);
});

test('a file says which of its frames is damaged', () => {
  const { bytes } = readDicomFixture('enhanced-rle.dcm');
  const last = Buffer.from(bytes.buffer).lastIndexOf(Buffer.from([0xfe, 0xff, 0x00, 0xe0]));
  // The number of planes of the last fragment.
  new DataView(bytes.buffer).setUint32(last + 8, 3, true);
  assertFault(() => parseDicomFrames(bytes, 'e.dcm'), 'DICOM_PIXELS_TRUNCATED', /3 RLE planes for 16 bits in frame 3/);
});
