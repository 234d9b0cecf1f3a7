import { loadavg } from 'node:os';
import Table from 'cli-table3';

/** One measured figure against its target. Ratios and bounds alike: `value` should not exceed (or fall under) `target`. */
export interface BenchRow {
  readonly what: string;
  readonly value: number | null;
  readonly target: number;
  /** What would be more than asked for. */
  readonly stretch?: number;
  readonly sense: 'at most' | 'at least';
  readonly unit: string;
  /** Other processes took too much of the machine: a time beside them proves nothing, for or against. */
  readonly isDisturbed?: boolean;
  /** The two sides, where the figure is a ratio of them. */
  readonly sides?: Sides;
  /** Spread, load or the reason why a row falls short or was not measured. */
  readonly note?: string;
}

export interface Sides {
  /** Null where it could not be measured. */
  readonly reference: Spread | null;
  readonly ours: Spread | null;
  readonly unit: 's' | 'GiB';
  /** Runs of each side, in turn. */
  readonly repeats: number;
  /** The ratio of the least, beside that of the medians: other work on the machine can only slow a run down. */
  readonly ratioOfMins: number | null;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
}

/** What a row of two sides is to reach: reference / ours, unless the row says otherwise. */
export type Goal = Pick<BenchRow, 'what' | 'target' | 'note'> & { readonly stretch: number };

/** The row of a reference against ours, from the runs of each; no runs where a side could not be measured. */
export function ratioRow(
  { what, target, stretch, note }: Goal,
  reference: readonly number[],
  ours: readonly number[],
  unit: Sides['unit'] = 's',
): BenchRow {
  const sides = [reference, ours].map((values) => (values.length > 0 ? spread(values) : null));
  const [theirs, own] = sides as [Spread | null, Spread | null];
  const ratio = (of: keyof Spread) => (theirs && own ? theirs[of] / own[of] : null);
  return {
    ...{ what, target, stretch, value: ratio('median'), sense: 'at least', unit: 'x' },
    sides: { reference: theirs, ours: own, unit, repeats: ours.length, ratioOfMins: ratio('min') },
    ...(note && { note }),
  };
}

export const spread = (values: readonly number[]): Spread => ({ median: median(values), min: Math.min(...values) });

export const holds = ({ value, target, sense, isDisturbed = false }: BenchRow): boolean =>
  !isDisturbed && reaches(value, target, sense);

const reaches = (value: number | null, bound: number, sense: BenchRow['sense']): boolean =>
  value !== null && (sense === 'at most' ? value <= bound : value >= bound);

export function printRows(rows: readonly BenchRow[]): string {
  const table = new Table({
    head: ['figure', 'measured', 'target', '', 'note'],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    const shown = row.value === null ? '' : `${digits(row.value)} ${row.unit}`;
    const notes = [...(row.sides ? describeSides(row.sides) : []), row.note].filter(Boolean);
    table.push([row.what, shown, `${row.sense} ${row.target} ${row.unit}`, verdict(row), notes.join('\n')]);
  }
  return table.toString();
}

function verdict(row: BenchRow): string {
  if (row.value === null) return 'not measured';
  if (row.isDisturbed) return 'DISTURBED';
  if (!holds(row)) return 'FALLS SHORT';
  return row.stretch !== undefined && reaches(row.value, row.stretch, row.sense) ? `ok, past ${row.stretch}` : 'ok';
}

function describeSides({ reference, ours, unit, repeats, ratioOfMins }: Sides): string[] {
  const amount = (value: number) =>
    unit === 's' && value < 1 ? `${digits(1000 * value)} ms` : `${digits(value)} ${unit}`;
  const side = (name: string, of: Spread | null) =>
    of ? [`${name} ${amount(of.median)} (least ${amount(of.min)})`] : [];
  const least = ratioOfMins === null ? [] : [`${digits(ratioOfMins)} x by the least`];
  return [
    [...side('reference', reference), ...side('ours', ours)].join(', '),
    [...least, `${repeats} runs`].join(', '),
  ];
}

const digits = (value: number): number => Number(value.toPrecision(3));

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

/** The load that other work puts on the machine: figures of a busy machine are to be read with it. */
export const load = (): string => `load ${loadavg()[0]!.toFixed(1)}`;
