import type { Device } from '../../lib/runtime/session.ts';
import type { SamModel } from '../../lib/sam/model.ts';
import { type BenchRow, type Goal, load, ratioRow, type Sides } from '../row.ts';
import { CALM, inTurn, type Run } from '../side-by-side.ts';

/** What both sides may use; more would measure the machine, less neither. */
export const THREADS = 2;

/** What the rows share. */
export interface EngineBench {
  /** A row's work in the reference process. Fails where there is none. */
  readonly reference: (row: string) => Run;
  /** How our sessions are opened: threads, and the device that both sides are on. */
  readonly session: { readonly threads: number; readonly device: Device };
  /** A model of sam-vit-base's shape. */
  readonly model: () => SamModel;
  /** Rows measured before in this run, by name. */
  readonly measured: ReadonlyMap<string, BenchRow>;
  readonly say: (line: string) => void;
  /** The share of the machine that other processes took since the last call. */
  readonly otherWork: () => number;
}

export interface EngineRow {
  /** As in `npm run bench -- engine/NAME`. */
  readonly name: string;
  readonly measure: (bench: EngineBench) => Promise<BenchRow[]>;
}

export interface Comparison extends Goal {
  readonly reference: Run;
  readonly ours: Run;
  readonly repeats: number;
  /** Seconds by default. */
  readonly unit?: Sides['unit'];
}

/** Measures both sides in turn; the note says beside what other work, and why there is no reference where there is none. */
export async function compare(
  comparison: Comparison,
  { say, otherWork }: Pick<EngineBench, 'say'> & Partial<Pick<EngineBench, 'otherWork'>>,
): Promise<BenchRow> {
  const { reference, ours, repeats, unit, ...goal } = comparison;
  say(goal.what);
  const before = load();
  const found = await inTurn(reference, ours, repeats, otherWork);
  const others = otherWork && `other processes took ${Math.round(100 * found.other)} % of the machine; `;
  const notes = [found.problem?.message, goal.note, `${others ?? ''}${before} before, ${load()} after`];
  const row = ratioRow({ ...goal, note: notes.filter(Boolean).join('\n') }, found.reference, found.ours, unit);
  return { ...row, isDisturbed: found.other > CALM };
}
