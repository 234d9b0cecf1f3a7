import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applyAffine } from '../../../lib/volume/affine.ts';
import { isSegmentation, parseSegmentation } from '../../../lib/volume/dicom-seg-parse.ts';
import { ownPlaces } from '../../../lib/volume/dicom-seg-places.ts';
import { readSegmentation } from '../../../lib/volume/dicom-seg-read.ts';
import { inspectVolume } from '../../../lib/volume/inspect.ts';
import { readWithDcmqi } from '../../helpers/dcmqi.ts';
import { dicomFile } from '../../helpers/dicom-file.ts';
import { DICOM_IDENTITY } from '../../helpers/dicom-fixtures.ts';
import { assertFault, assertRejectsWithFault } from '../../helpers/faults.ts';
import { changed, readSegFixture, SEG_LABELS, SEG_SHAPE } from '../../helpers/seg-fixtures.ts';

const AREA = SEG_SHAPE[0] * SEG_SHAPE[1];

const read = async (bytes: Uint8Array, wanted: number[] | null = null) => {
  const seg = parseSegmentation(bytes, 'a.dcm');
  return { ...seg, ...(await readSegmentation(seg, ownPlaces(seg), wanted)) };
};
const uint16 = (...values: number[]) => new Uint8Array(Uint16Array.from(values).buffer);

describe('a DICOM segmentation, as highdicom writes it,', () => {
  // The lowest slice is empty, and has no frame but where all are kept.
  const STACKS: [name: string, firstSlice: number, slices: number][] = [
    ['binary', 1, 5],
    ['binary-implicit', 1, 5],
    ['binary-reversed', 1, 5],
    ['binary-all-frames', 0, 6],
    ['binary-one-slice', 4, 1],
    ['fractional', 1, 5],
    ['fractional-rle', 1, 5],
    ['labelmap', 1, 5],
    ['labelmap-jpeg-ls', 1, 5],
  ];
  for (const [name, first, slices] of STACKS) {
    it(`is read voxel by voxel (${name})`, async () => {
      const file = readSegFixture(name);
      const { shape, voxels, voxelToWorld, segments } = await read(file.bytes);
      assert.deepEqual(shape, [SEG_SHAPE[0], SEG_SHAPE[1], slices]);
      const labels = SEG_LABELS[file.name]!.slice(first * AREA, (first + slices) * AREA);
      assert.deepEqual([...voxels], labels);
      assert.deepEqual(applyAffine(voxelToWorld, [0, 0, 0]), [20.5, -10, 100 + 2.5 * first]);
      assert.deepEqual(applyAffine(voxelToWorld, [2, 1, slices - 1]), [19.5, -10.75, 100 + 2.5 * (first + slices - 1)]);
      assert.deepEqual(segments, [
        { number: 1, label: 'Liver' },
        { number: 2, label: 'Tumor' },
      ]);
    });
  }

  it('lies where dcmqi sees it', async () => {
    // dcmqi reads frames of whole bytes only: of this one it is asked for the place alone.
    const { bytes } = readSegFixture('binary-one-slice');
    const { worldOf, size } = await readWithDcmqi(bytes);
    const { voxelToWorld, shape } = await read(bytes);
    const [x, y, z] = applyAffine(voxelToWorld, [3, 2, 0]);
    assert.deepEqual(worldOf([3, 2, 0]), [-x, -y, z]);
    assert.deepEqual(size, shape);
  });

  it('is told by inspect with its segments, and without whose they are', async () => {
    const facts = await inspectVolume([readSegFixture('binary')]);
    assert.deepEqual([facts.kind, facts.axcodes, facts.zooms], ['dicom-seg', 'LPS', [0.5, 0.75, 2.5]]);
    assert.deepEqual(
      facts.segments!.map(({ label }) => label),
      ['Liver', 'Tumor'],
    );
    assert.deepEqual(
      facts.labels!.map(({ value }) => value),
      [0, 1, 2],
    );
    assert.doesNotMatch(JSON.stringify(facts), DICOM_IDENTITY);
  });

  it('is known from other DICOM files', () => {
    assert.ok(isSegmentation(readSegFixture('labelmap').bytes));
    assert.ok(!isSegmentation(dicomFile()));
    assert.ok(!isSegmentation(readSegFixture('binary').bytes.subarray(0, 700)));
  });
});

describe('where segments overlap', () => {
  const { name, bytes } = readSegFixture('overlap');

  it('both are named', () => assertRejectsWithFault(read(bytes), 'SEG_OVERLAP', /segment 1 and in segment 2/));

  it('the one that is asked for is whole, whichever comes first', async () => {
    const first = SEG_LABELS[name]!.slice(AREA);
    const ones = (labels: ArrayLike<number>) => Array.from(labels, (label) => Number(label === 1));
    assert.deepEqual(ones((await read(bytes, [1])).voxels), ones(first));
    const [one, two] = [await read(bytes, [1]), await read(bytes, [2])];
    const count = (labels: ArrayLike<number>, label: number) => Array.from(labels).filter((v) => v === label).length;
    assert.ok(count(two.voxels, 2) > count(one.voxels, 2));
    assert.ok(count(two.voxels, 1) < count(one.voxels, 1));
  });
});

describe('a segmentation is refused', () => {
  const binary = readSegFixture('binary').bytes;
  const without = (count: number) => binary.subarray(0, binary.length - count);
  const pixelsAt = Buffer.from(binary).lastIndexOf(Buffer.from([0xe0, 0x7f, 0x10, 0x00]));
  /** Frames that begin on a byte each: seven frames of five bytes. */
  const bytewise = () => {
    const longer = Buffer.concat([binary.subarray(0, pixelsAt + 12), new Uint8Array(36)]);
    longer.writeUInt32LE(36, pixelsAt + 8);
    return Uint8Array.from(longer);
  };
  /** The sequence of segments under a tag that nobody looks for. */
  const unlisted = () => {
    const copy = Buffer.from(binary);
    copy[copy.indexOf(Buffer.from([0x62, 0, 2, 0, 0x53, 0x51])) + 2] = 3;
    return Uint8Array.from(copy);
  };
  const CASES: [claim: string, bytes: Uint8Array, code: string, found: RegExp][] = [
    [
      'with pixels cut off',
      without(6),
      'DICOM_PIXELS_TRUNCATED',
      /found \d+ bytes of pixels, expected 31 for 7 x 5 x 7/,
    ],
    ['with more pixels than frames have', bytewise(), 'DICOM_PIXELS_TRUNCATED', /found 36 bytes/],
    ['with more frames than places', changed(binary, [0x28, 0x08], 'IS', Buffer.from('9 ')), 'SEG_FRAMES', /9 frames/],
    [
      'of bytes that say they are bits',
      changed(binary, [0x28, 0x100], 'US', uint16(8)),
      'DICOM_BITS',
      /1 bits stored of 8/,
    ],
    ['of another type', changed(binary, [0x62, 0x01], 'CS', Buffer.from('UNARY ')), 'SEG_KIND', /another type/],
    ['that is a scan', dicomFile(), 'SEG_KIND', /no segmentation/],
    ['without segments', unlisted(), 'SEG_SEGMENTS', /no segments/],
    [
      'whose segments have one number',
      changed(binary, [0x62, 0x04], 'US', uint16(2)),
      'SEG_SEGMENTS',
      /two segments of one/,
    ],
    ['with a segment of no number', changed(binary, [0x62, 0x04], 'US', uint16(0)), 'SEG_SEGMENTS', /without a number/],
    [
      'with frames of an unknown segment',
      changed(binary, [0x62, 0x0b], 'US', uint16(7)),
      'SEG_FRAMES',
      /frame 1 of segment 7/,
    ],
    ['cut within its header', binary.subarray(0, 2000), 'DICOM_FORMAT', /./],
  ];
  for (const [claim, bytes, code, found] of CASES) {
    it(claim, () => assertFault(() => parseSegmentation(bytes, 'a.dcm'), code, found));
  }

  it('with pixels of a segment that is not described', async () => {
    const bytes = Uint8Array.from(readSegFixture('labelmap').bytes);
    bytes[bytes.length - 3] = 9;
    await assertRejectsWithFault(read(bytes), 'SEG_SEGMENTS', /segment 9/);
  });
});
