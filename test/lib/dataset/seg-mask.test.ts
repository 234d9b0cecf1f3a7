import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readPatientVolume } from '../../../lib/dataset/volume-record.ts';
import { writeDicomSeg } from '../../../lib/volume/dicom-seg.ts';
import { readSegSource } from '../../../lib/volume/dicom-seg-source.ts';
import { readNifti, writeMaskOnNativeGrid, writeNifti } from '../../../lib/volume/nifti.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';
import { readSegFixture, SEG_LABELS, SEG_SHAPE, segSeries } from '../../helpers/seg-fixtures.ts';

const readWith = (seg: { name: string; bytes: Uint8Array }, image = segSeries(), labels: number[] | null = null) =>
  readPatientVolume({ image, mask: seg, labels: labels ? [labels] : null });

/** The mask in the series' own order: columns, rows, slices from the lowest on. */
const onSeries = (volume: Awaited<ReturnType<typeof readWith>>) =>
  Array.from(readNifti(writeMaskOnNativeGrid(volume.mask!, volume), 'back').voxels);

describe('a DICOM segmentation as mask', () => {
  for (const name of ['binary', 'binary-reversed', 'binary-all-frames', 'binary-one-slice', 'fractional', 'labelmap']) {
    it(`covers the slices that it has frames for, and the others are empty (${name})`, async () => {
      const seg = readSegFixture(name);
      const volume = await readWith(seg);
      assert.deepEqual(volume.shape, [...SEG_SHAPE]);
      assert.deepEqual(volume.repairs, []);
      assert.deepEqual(
        onSeries(volume),
        SEG_LABELS[seg.name]!.map((label) => Number(label !== 0)),
      );
    });
  }

  it('is chosen from by segment number', async () => {
    const seg = readSegFixture('binary');
    const labels = SEG_LABELS[seg.name]!;
    for (const wanted of [1, 2]) {
      const volume = await readWith(seg, segSeries(), [wanted]);
      assert.deepEqual(
        onSeries(volume),
        labels.map((label) => Number(label === wanted)),
      );
    }
    await assertRejectsWithFault(readWith(seg, segSeries(), [3]), 'MASK_EMPTY', /values in the file: 0, 1, 2/);
  });

  it('may overlap with what was not asked for', async () => {
    const seg = readSegFixture('overlap');
    await assertRejectsWithFault(readWith(seg), 'SEG_OVERLAP', /segment 1 and in segment 2/);
    const volume = await readWith(seg, segSeries(), [1]);
    assert.deepEqual(
      onSeries(volume),
      SEG_LABELS[seg.name]!.map((label) => Number(label === 1)),
    );
  });

  it('that samflow wrote comes back as it went, on every orientation', async () => {
    const orientations: [orientation: number[], step: number[]][] = [
      [
        [1, 0, 0, 0, 1, 0],
        [0, 0, -2.5],
      ],
      [
        [1, 0, 0, 0, 0, -1],
        [0, 2.5, 0],
      ],
      [
        [0, 1, 0, 0, 0, -1],
        [-2.5, 0, 0],
      ],
      [
        [0.8, 0.6, 0, 0, 0, -1],
        [-1.5, 2, 0],
      ],
    ];
    for (const [orientation, step] of orientations) {
      const image = segSeries().map((_, place) => {
        const position = step.map((mm, axis) => [-20.5, 10, 100][axis]! + place * mm);
        return { name: `${place}.dcm`, bytes: segSeries({ orientation, position })[place]!.bytes };
      });
      const files = image.map(({ name, bytes }) => ({ name, read: async () => bytes }));
      const source = await readSegSource(files);
      const voxels = Uint8Array.from(SEG_LABELS['seg-binary.dcm']!);
      const structures = [
        { label: 1, name: 'liver' },
        { label: 2, name: 'tumor' },
      ];
      const mask = { voxels, shape: source.shape, voxelToWorld: source.voxelToWorld };
      const bytes = writeDicomSeg({ source, mask, structures, algorithm: 'a', softwareVersion: '0' });
      const volume = await readWith({ name: 'seg.dcm', bytes }, image, [2]);
      assert.deepEqual(
        onSeries(volume),
        Array.from(voxels, (label) => Number(label === 2)),
        String(orientation),
      );
    }
  });

  it('fits a NIfTI scan of the same grid', async () => {
    const affine = [-0.5, 0, 0, 20.5, 0, -0.75, 0, -10, 0, 0, 2.5, 100, 0, 0, 0, 1];
    const scan = writeNifti({ shape: [...SEG_SHAPE], voxels: new Int16Array(210), voxelToWorld: affine });
    const volume = await readWith(readSegFixture('binary'), [{ name: 'ct.nii', bytes: scan }]);
    assert.equal(
      volume.mask!.reduce((sum, value) => sum + value, 0),
      67,
    );
  });

  it('is refused where the scan is another one', async () => {
    const seg = readSegFixture('binary');
    const shifted = (axis: number, mm: number) =>
      segSeries().map((_, place) => {
        const k = [3, 0, 5, 1, 4, 2][place]!;
        const position = [-20.5, 10, 100 + 2.5 * k].map((at, one) => (one === axis ? at + mm : at));
        return { name: `${k}.dcm`, bytes: segSeries({ position })[place]!.bytes };
      });
    const cases: [string, ReturnType<typeof segSeries>, RegExp][] = [
      ['MASK_AFFINE', shifted(2, 1), /frame 1 1 mm from the nearest slice/],
      ['MASK_AFFINE', shifted(2, 10), /frame 3 beyond/],
      ['MASK_AFFINE', shifted(0, 0.3), /voxels that lie up to 0.300 mm/],
      ['MASK_AFFINE', segSeries({ spacing: [0.75, 0.55] }), /voxels that lie up to/],
      ['MASK_SHAPE', segSeries({ rows: 6, pixels: new Uint16Array(42) }), /7 x 5 x 6 voxels/],
      ['SEG_FRAME_OF_REFERENCE', segSeries({ more: { '00200052': ['UI', '1.2.3.8'] } }), /another frame of reference/],
    ];
    for (const [code, image, found] of cases) await assertRejectsWithFault(readWith(seg, image), code, found);
  });

  it('is not named in a fault by a name that holds a date or a number', async () => {
    const seg = { name: '1.2.840.20210304.dcm', bytes: readSegFixture('overlap').bytes };
    await assertRejectsWithFault(readWith(seg), 'SEG_OVERLAP', /^the segmentation: /);
  });
});
