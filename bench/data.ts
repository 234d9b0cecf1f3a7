import type { DataRow } from './data/bench.ts';
import { dicomRow } from './data/dicom.ts';
import { memoryRow } from './data/memory.ts';
import { slicesRow } from './data/slices.ts';
import { edgesRow, surfelsRow } from './data/surface.ts';
import { THREADS } from './engine/bench.ts';
import { otherWork } from './other-work.ts';
import { ReferenceProcess } from './reference-process.ts';
import type { BenchRow } from './row.ts';

const ROWS: readonly DataRow[] = [slicesRow, dicomRow, edgesRow, surfelsRow, memoryRow];
export const DATA_ROWS: readonly string[] = ROWS.map(({ name }) => name);

/** Reading, slicing and scoring against nibabel, Pillow, SimpleITK and SciPy, side by side in one run; `names` in any order. */
export async function dataRows(names: readonly string[], say: (line: string) => void): Promise<BenchRow[]> {
  const started = ReferenceProcess.start({ threads: THREADS, device: 'cpu', side: 'data' });
  // Each row says why there is no reference.
  const pid = await started.then(
    (reference) => reference.pid,
    () => null,
  );
  const reference = (row: string, args: object) => async () => (await started).run(row, args);
  const rows: BenchRow[] = [];
  try {
    for (const { measure } of ROWS.filter((row) => names.includes(row.name))) {
      rows.push(await measure({ reference, say, otherWork: otherWork(pid) }));
    }
  } finally {
    await started.then(
      (process) => process.close(),
      () => undefined,
    );
  }
  return rows;
}
