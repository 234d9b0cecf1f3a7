import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ProofInstallation } from '../cli/resume-proof/installation.ts';
import { againRows } from './durable/again.ts';
import { dataWaitRows } from './durable/data-wait.ts';
import { killRows } from './durable/kill.ts';
import { storeRows } from './durable/store.ts';
import type { BenchRow } from './row.ts';

/** Servers that were installed for this checkout are used; nothing else of its state is. */
const TOOLS = fileURLToPath(new URL('../.samflow/bin', import.meta.url));

const ROWS = { store: storeRows, again: againRows, kill: killRows, 'data-wait': dataWaitRows };
export type DurableRow = keyof typeof ROWS;
export const DURABLE_ROWS = Object.keys(ROWS) as DurableRow[];

/** What durability costs: a store that verifies, a run that is done again, a worker that is killed. */
export async function durableRows(names: readonly DurableRow[], say: (line: string) => void): Promise<BenchRow[]> {
  const env = { HOME: process.env.HOME, PATH: `${TOOLS}${delimiter}${process.env.PATH}` };
  const rows: BenchRow[] = [];
  for (const name of names) {
    const installation = await ProofInstallation.open(await mkdtemp(join(tmpdir(), 'samflow-bench-')), env);
    try {
      rows.push(...(await ROWS[name](installation, say)));
    } finally {
      await installation.close();
    }
  }
  return rows;
}
