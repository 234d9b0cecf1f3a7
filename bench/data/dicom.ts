import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readDicomSeries } from '../../lib/volume/dicom.ts';
import { compare } from '../engine/bench.ts';
import { type Goal, ratioRow } from '../row.ts';
import { secondsOf } from '../side-by-side.ts';
import type { DataRow } from './bench.ts';

/** JPEG 2000; a real scan, which does not belong to this repository. */
const FOLDER = fileURLToPath(new URL('../../../shared/data/ct-dicom/series', import.meta.url));

export const dicomRow: DataRow = {
  name: 'dicom',
  measure: async (bench) => {
    const goal: Goal = { what: 'a JPEG 2000 series of 20 slices: SimpleITK / ours', target: 0.7, stretch: 1 };
    if (!existsSync(FOLDER))
      return ratioRow({ ...goal, note: 'left out: ../shared/data/ct-dicom is not here' }, [], []);
    return compare(
      { ...goal, repeats: 9, reference: bench.reference('dicom', { folder: FOLDER }), ours: () => secondsOf(read) },
      bench,
    );
  },
};

async function read(): Promise<void> {
  const names = readdirSync(FOLDER);
  await readDicomSeries(
    await Promise.all(names.map(async (name) => ({ name, bytes: await readFile(join(FOLDER, name)) }))),
  );
}
