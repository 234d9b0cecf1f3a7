import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encapsulate } from '../../../lib/volume/dicom-capsule.ts';
import { decodeFrames, decodeInThreads } from '../../../lib/volume/dicom-decoder.ts';
import { parseDicomFrames } from '../../../lib/volume/dicom-header.ts';
import type { FramePixels } from '../../../lib/volume/dicom-pixels.ts';
import { rescaledType, rescaleInto } from '../../../lib/volume/dicom-rescale.ts';
import { readStored, type StoredArray } from '../../../lib/volume/dicom-stored.ts';
import { checkJpeg } from '../../../lib/volume/dicom-streams.ts';
import { DICOM_IDENTITY, readDicomFixture } from '../../helpers/dicom-fixtures.ts';

const pixelsOf = (bytes: readonly number[], change: Partial<FramePixels> = {}): FramePixels => ({
  rows: 1,
  columns: 2,
  bitsAllocated: 16,
  bitsStored: 12,
  signed: false,
  coding: 'little-endian',
  transferSyntax: '1.2.840.10008.1.2.1',
  bytes: Uint8Array.from(bytes),
  ...change,
});

test('bits above those stored, where old files keep overlays, are not part of a value', () => {
  const bytes = [0x34, 0xf2, 0xff, 0x0f];
  assert.deepEqual(readStored(pixelsOf(bytes)), Uint16Array.of(0x234, 0xfff));
  assert.deepEqual(readStored(pixelsOf(bytes, { signed: true })), Int16Array.of(0x234, -1));
});

test('8, 16 and 32 bits are read in either byte order, wherever they lie', () => {
  const odd = Uint8Array.of(9, 1, 2, 3, 4, 5, 6, 7, 8).subarray(1);
  const read = (change: Partial<FramePixels>) => readStored(pixelsOf([], { bytes: odd, ...change }));
  assert.deepEqual(
    read({ bitsAllocated: 32, bitsStored: 32, coding: 'big-endian' }),
    Uint32Array.of(0x01020304, 0x05060708),
  );
  assert.deepEqual(
    read({ bitsAllocated: 16, bitsStored: 16, columns: 4, signed: true }),
    Int16Array.of(0x201, 0x403, 0x605, 0x807),
  );
  assert.deepEqual(read({ bitsAllocated: 8, bitsStored: 8, columns: 8 }), Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  assert.deepEqual(odd, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), 'the file stays as it was');
});

test('packed planes come apart: runs, literals and padding', () => {
  const header = new Uint8Array(64);
  const view = new DataView(header.buffer);
  [2, 64, 66].map((value, index) => view.setUint32(4 * index, value, true));
  // The high bytes: twice 1. The low ones: nothing, then 7 and 8 as they are.
  const bytes = [...header, 255, 1, 128, 1, 7, 8, 0];
  assert.deepEqual(readStored(pixelsOf(bytes, { coding: 'rle' })), Uint16Array.of(0x107, 0x108));
});

test('rescaled values have the number type that GDCM chooses', () => {
  const layout = { bitsAllocated: 16, bitsStored: 12, signed: false } as const;
  const cases: [rescale: [number, number], type: string, signed?: boolean][] = [
    [[1, 0], 'Uint16Array'],
    [[1, 0], 'Int16Array', true],
    [[1, -1024], 'Int16Array'],
    [[1, 5], 'Uint16Array'],
    [[-1, 0], 'Int16Array'],
    [[100, 0], 'Uint32Array'],
    [[100, -1], 'Int32Array'],
    [[0.5, 0], 'Float64Array'],
    [[1, -0.5], 'Float64Array'],
    [[1e12, 0], 'Float64Array'],
  ];
  for (const [rescale, type, signed = false] of cases) {
    assert.equal(rescaledType({ ...layout, signed }, rescale).name, type, String(rescale));
  }
  const voxels = new Float64Array(3);
  rescaleInto(voxels, 1, Uint16Array.of(4, 5), [0.5, -1]);
  assert.deepEqual(voxels, Float64Array.of(0, 1, 1.5));
});

const compressed = (name: string) => parseDicomFrames(readDicomFixture(name).bytes, name)[0]!.pixels;

test('the decoder is given a file of nothing but the frame: not a word of the patient', async () => {
  for (const name of ['jpeg-ls-s16.dcm', 'jpeg-2000-u12.dcm', 'jpeg-lossless-u12.dcm']) {
    const capsule = Buffer.from(encapsulate(compressed(name))).toString('latin1');
    assert.doesNotMatch(capsule, DICOM_IDENTITY, name);
    assert.ok(capsule.includes(Buffer.from(compressed(name).bytes).toString('latin1')), name);
  }
});

test('the decoder refuses a stream that is damaged, and goes on with the next', async () => {
  const good = compressed('jpeg-ls-u12.dcm');
  const bytes = good.bytes.slice();
  bytes.fill(0x55, Math.floor(bytes.length / 2), -2);
  assert.equal(await decodeFrames([{ ...good, bytes }]), null);
  assert.equal(process.exitCode, undefined, 'the exit code of this process is not the decoder’s to set');
  assert.equal((await decodeFrames([good, good]))?.length, 240);
});

/** A lossless JPEG image of one grey: every difference is zero, in a code of five zero bits. */
function grey(side: number): FramePixels {
  const size = [side >> 8, side & 255];
  const start = [0xff, 0xd8, 0xff, 0xc3, 0, 11, 12, ...size, ...size, 1, 1, 0x11, 0];
  const codes = [0xff, 0xc4, 0, 36, 0, 0, 0, 0, 0, 17, ...new Array(11).fill(0), ...new Array(17).keys()];
  const scan = [0xff, 0xda, 0, 8, 1, 1, 0, 1, 0, 0];
  const zeros = new Uint8Array(Math.ceil((5 * side * side) / 8));
  const bytes = Uint8Array.from(
    Buffer.concat([Uint8Array.of(...start, ...codes, ...scan), zeros, Uint8Array.of(0xff, 0xd9)]),
  );
  return pixelsOf([], { rows: side, columns: side, coding: 'jpeg', transferSyntax: '1.2.840.10008.1.2.4.70', bytes });
}

test('the decoder has memory for large frames, and does not grow beyond a limit', async () => {
  const frame = grey(2000);
  assert.equal(checkJpeg(frame.bytes, frame), null);
  const decoded = await decodeFrames([frame, frame]);
  assert.equal(decoded?.length, 8_000_000);
  assert.ok(decoded.every((value) => value === 2048));
  assert.equal(await decodeFrames([frame, frame], 20e6), null);
});

test('threads decode what one instance decodes, and leave out what cannot be', async () => {
  const good = ['jpeg-ls-u12.dcm', 'jpeg-2000-u12.dcm', 'jpeg-lossless-u12.dcm'].map(compressed);
  const bytes = good[0]!.bytes.slice();
  bytes.fill(0x55, Math.floor(bytes.length / 2), -2);
  const batches = [[good[0]!], [{ ...good[0]!, bytes }], [good[1]!, good[1]!], [good[2]!]];
  const taken = new Map<number, StoredArray>();
  await decodeInThreads(batches, 2, (batch, stored) => taken.set(batch, stored));
  assert.deepEqual([...taken.keys()].sort(), [0, 2, 3]);
  for (const [batch, stored] of taken) assert.deepEqual(stored, await decodeFrames(batches[batch]!));
  assert.equal(process.exitCode, undefined);
});
