import { readFileSync } from 'node:fs';
import { dicomFile } from './dicom-file.ts';
import { readDicomFixture } from './dicom-fixtures.ts';

/** Segmentations of test/fixtures/dicom/make_seg.py, which highdicom wrote, and the series that they are of. */
export const SEG_SHAPE = [7, 5, 6] as const;
const [COLUMNS, ROWS, SLICES] = SEG_SHAPE;

/** The label of each voxel on the series' own grid, columns fastest, from the lowest slice on. */
export const SEG_LABELS: Record<string, number[]> = JSON.parse(
  readFileSync(new URL('../fixtures/dicom/seg-values.json', import.meta.url), 'utf8'),
);

export const readSegFixture = (name: string) => readDicomFixture(`seg-${name}.dcm`);

/** Slices in no order; each may be changed. */
export const segSeries = (change: Parameters<typeof dicomFile>[0] = {}, slices = SLICES) =>
  [3, 0, 5, 1, 4, 2]
    .filter((k) => k < slices)
    .map((k) => ({
      name: `${k}.dcm`,
      bytes: dicomFile({
        ...{ rows: ROWS, columns: COLUMNS, pixels: new Uint16Array(COLUMNS * ROWS).fill(k), spacing: [0.75, 0.5] },
        ...{ position: [-20.5, 10, 100 + 2.5 * k], seriesUid: '1.2.3.4' },
        ...change,
        more: { '00200052': ['UI', '1.2.3.9'], ...change.more },
      }),
    }));

/** A file with another value, of its length, in the first element of this tag and type; explicit little-endian. */
export function changed(
  bytes: Uint8Array,
  tag: readonly [group: number, element: number],
  vr: string,
  value: Uint8Array,
) {
  const copy = Uint8Array.from(bytes);
  const mark = Buffer.concat([Buffer.from(Uint16Array.from(tag).buffer), Buffer.from(vr)]);
  const at = Buffer.from(copy.buffer).indexOf(mark);
  if (at < 0) throw new Error(`no element ${tag.map((part) => part.toString(16))}`);
  copy.set(value, at + (['OB', 'OW', 'SQ'].includes(vr) ? 12 : 8));
  return copy;
}
