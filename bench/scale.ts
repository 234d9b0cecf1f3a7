import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchRow } from './row.ts';
import { cacheRows } from './scale/cache.ts';
import { throughputRows } from './scale/throughput.ts';

/** Servers that were installed for this checkout are used; nothing else of its state is. */
const TOOLS = fileURLToPath(new URL('../.samflow/bin', import.meta.url));

const ROWS = { throughput: throughputRows, cache: cacheRows };
export type ScaleRow = keyof typeof ROWS;
export const SCALE_ROWS = Object.keys(ROWS) as ScaleRow[];

/** How the pools grow, and what copies on a worker's disk give. */
export async function scaleRows(names: readonly ScaleRow[], say: (line: string) => void): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const name of names) {
    const stateDir = await mkdtemp(join(tmpdir(), 'samflow-bench-'));
    const env = { HOME: process.env.HOME, SAMFLOW_HOME: stateDir, PATH: `${TOOLS}${delimiter}${process.env.PATH}` };
    try {
      rows.push(...(await ROWS[name](stateDir, env, say)));
    } finally {
      await rm(stateDir, { recursive: true, force: true });
    }
  }
  return rows;
}
