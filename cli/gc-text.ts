import Table from 'cli-table3';
import type { GcPlan } from '../lib/artifacts/gc.ts';
import { tableStyle } from './table-style.ts';

/** Objects of one kind, and their size. */
export interface Tally {
  readonly kind: string;
  readonly objects: number;
  readonly bytes: number;
}

/** What goes by kind, and what stays. Kinds name nobody. */
export function renderGc({ keptRuns, staying }: GcPlan, kinds: readonly Tally[], isDeleted: boolean): string {
  const stays = `${count(keptRuns.length, 'run')} and ${count(staying.objects, 'object')} (${size(staying.bytes)}) stay.`;
  if (kinds.length === 0) return `Nothing to delete: ${stays}`;
  const table = new Table({
    head: ['kind', 'objects', 'size'],
    colAligns: ['left', 'right', 'right'],
    ...tableStyle(),
  });
  for (const { kind, objects, bytes } of kinds) table.push([kind, objects, size(bytes)]);
  const [objects, bytes] = [sum(kinds, 'objects'), sum(kinds, 'bytes')];
  const all = `${count(objects, 'object')}, ${size(bytes)}`;
  const verdict = isDeleted ? `Deleted ${all}.` : `Would delete ${all}. Nothing was deleted: add --yes for that.`;
  return [table.toString(), verdict, stays].join('\n');
}

const sum = (kinds: readonly Tally[], of: 'objects' | 'bytes'): number =>
  kinds.reduce((total, kind) => total + kind[of], 0);
const count = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`;

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

function size(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${UNITS[power]}`;
}
