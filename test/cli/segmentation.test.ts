import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { tasks } from '../../activities/tasks.ts';
import { findScan } from '../../cli/scan-files.ts';
import { notesOf, openSegSources, segmentationOf } from '../../cli/segmentation.ts';
import { EvaluationConfig } from '../../contracts/config.ts';
import { decodeVolume } from '../../lib/dataset/volume-record.ts';
import { readWithDcmqi } from '../helpers/dcmqi.ts';
import { dicomFile } from '../helpers/dicom-file.ts';
import { assertRejectsWithFault } from '../helpers/faults.ts';
import { readFixture } from '../helpers/nifti-fixtures.ts';
import { oneStack, slicing } from '../helpers/volumes.ts';

const [COLUMNS, ROWS, SLICES] = [8, 6, 5];
/** Bright voxels (column, row, slice): no flip or turn maps them onto themselves. */
const BRIGHT = ['1,1,1', '2,1,1', '3,1,1', '4,1,1', '1,2,1', '1,3,1', '1,1,2', '6,4,3'];

/** Row and column direction, and the step from slice to slice, LPS. */
const SERIES: [name: string, row: number[], column: number[], step: number[]][] = [
  ['axial', [1, 0, 0], [0, 1, 0], [0, 0, 3]],
  ['axial, feet first', [1, 0, 0], [0, 1, 0], [0, 0, -3]],
  ['coronal', [1, 0, 0], [0, 0, -1], [0, 3, 0]],
  ['sagittal', [0, 1, 0], [0, 0, -1], [-3, 0, 0]],
  ['oblique', [0.8, 0.6, 0], [0, 0, -1], [-1.8, 2.4, 0]],
];

describe('a segmentation of a DICOM folder', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'samflow-seg-'));
  });
  after(() => rm(folder, { recursive: true }));

  for (const [name, row, column, step] of SERIES) {
    it(`lies on what the model saw in the series: ${name}`, async () => {
      const origin = (slice: number) => [10.5, -40, 200].map((mm, axis) => mm + slice * step[axis]!);
      const path = join(folder, name);
      await mkdir(path);
      for (let slice = 0; slice < SLICES; slice += 1) {
        const voxel = (at: number) => `${at % COLUMNS},${Math.floor(at / COLUMNS)},${slice}`;
        const pixels = Uint16Array.from({ length: COLUMNS * ROWS }, (_, at) => (BRIGHT.includes(voxel(at)) ? 2000 : 0));
        const place = { position: origin(slice), orientation: [...row, ...column], spacing: [1.25, 0.75] };
        const file = dicomFile({ rows: ROWS, columns: COLUMNS, pixels, ...place });
        // Names say nothing of the order.
        await writeFile(join(path, `${(slice * 3) % SLICES}.dcm`), file);
      }
      const scan = await findScan(path);
      const [source] = await openSegSources([scan]);
      assert.match(notesOf(source!).join(), /^UIDs are missing/);
      const image = await Promise.all(
        scan.files.map(async (file) => ({ name: basename(file), bytes: new Uint8Array(await readFile(file)) })),
      );
      // What the activities do, with a model that sees what is bright.
      const { bytes: volume } = await tasks.convert({ image, mask: null, labels: null });
      const stack = oneStack(decodeVolume(volume), slicing(), { all: true });
      const labels = stack.pixels.map((grey) => (grey > 127 ? 1 : 0));
      const planes = [{ stack: { ...stack, index: [...stack.index] }, labels, probabilities: null }];
      const structures = [{ name: 'lungs', label: null }];
      const scoring = { setting: EvaluationConfig.parse({}), postProcess: null };
      const { files } = tasks.mask({ volume, planes, structures, ...scoring, probability: false });

      const read = await readWithDcmqi(await segmentationOf(files.mask, source!, { structures, model: 'run-1' }));
      const rounded = (mm: readonly number[]) => mm.map((value) => (value + 1e-9).toFixed(2)).join();
      const [nx, ny] = read.size;
      const found = Array.from(read.voxels).flatMap((segment, at) =>
        segment === 0 ? [] : [rounded(read.worldOf([at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))]))],
      );
      const truth = BRIGHT.map((voxel) => {
        const [i, j, slice] = voxel.split(',').map(Number) as [number, number, number];
        return rounded(origin(slice).map((mm, at) => mm + i * 0.75 * row[at]! + j * 1.25 * column[at]!));
      });
      assert.deepEqual(found.sort(), truth.sort());
      assert.deepEqual(
        read.segments.map(({ SegmentLabel }) => SegmentLabel),
        ['lungs'],
      );
    });
  }

  it('comes with a warning where its frames are no whole bytes, which some programs misread', async () => {
    const path = join(folder, 'odd.dcm');
    await writeFile(path, dicomFile({ rows: 3, columns: 5, pixels: new Uint16Array(15) }));
    const [source] = await openSegSources([await findScan(path)]);
    assert.match(notesOf(source!).join(), /5 x 3 pixels are no whole bytes/);
  });

  it('is refused for a scan that is no DICOM, before anything is computed', async () => {
    const nifti = join(folder, 'scan.nii.gz');
    await writeFile(nifti, readFixture('int16.nii.gz'));
    const expected = /--format dicom-seg and scan\.nii\.gz: found a scan that is no DICOM series.*Leave --format out/;
    await assertRejectsWithFault(openSegSources([await findScan(nifti)]), 'USAGE', expected);
  });
});
