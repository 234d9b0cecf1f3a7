import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';
import { age } from './age.ts';
import { tableStyle } from './table-style.ts';

/** A workflow in the list of `samflow status`. */
export interface ListedRun {
  readonly run: string;
  readonly status: string;
  readonly stage: string | null;
  readonly dice: number | null;
  /** ISO 8601. */
  readonly started: string;
}

/** A table where the terminal has room for it, else two lines for each: a broken line would tear the ids, which are to be copied. */
export function renderRuns(runs: readonly ListedRun[], nowMs: number, columns = Number.POSITIVE_INFINITY): string {
  const table = new Table({ head: ['run', 'status', 'stage', 'Dice', 'started'], ...tableStyle() });
  const rows = runs.map(({ run, status, stage, dice, started }) => ({
    run,
    cells: [status, stage ?? '', dice === null ? '' : dice.toFixed(3), age(new Date(started), nowMs)],
  }));
  for (const { run, cells } of rows) table.push([run, ...cells]);
  const text = table.toString();
  // Not `table.width`: it counts the characters of the colours too.
  if (stripVTControlCharacters(text.split('\n', 1)[0]!).length <= columns) return text;
  return rows.map(({ run, cells }) => `${run}\n  ${cells.filter((cell) => cell !== '').join('  ')}`).join('\n');
}
