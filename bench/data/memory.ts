import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { load } from '../row.ts';
import type { DataRow } from './bench.ts';
import { withMadeUpCt } from './made-up-ct.ts';

const SCRIPT = fileURLToPath(new URL('./convert-and-slice.ts', import.meta.url));
const SLICES = 800;

/** What the stages `convert` and `slice` take at their worst, one after the other in a process of its own. */
export const memoryRow: DataRow = {
  name: 'memory',
  measure: async ({ say }) => {
    const what = `peak memory of converting and slicing 512 x 512 x ${SLICES} voxels with a mask`;
    say(what);
    const bytes = await withMadeUpCt([512, 512, SLICES], async ({ ct, mask }) => {
      const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', SCRIPT, ct, mask]);
      return Number(stdout);
    });
    return { what, value: bytes / 1e9, target: 1.5, stretch: 1.2, sense: 'at most', unit: 'GB', note: load() };
  },
};
