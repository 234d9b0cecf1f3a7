import Table from 'cli-table3';
import type { Doomed } from '../lib/artifacts/collect.ts';
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
  return [renderTallies(kinds, isDeleted), stays].join('\n');
}

/** The largest kinds first. */
export function tally(items: readonly Doomed[]): Tally[] {
  const kinds = new Map<string, Tally>();
  for (const { kind, bytes } of items) {
    const before = kinds.get(kind) ?? { kind, objects: 0, bytes: 0 };
    kinds.set(kind, { kind, objects: before.objects + 1, bytes: before.bytes + bytes });
  }
  return [...kinds.values()].sort((a, b) => b.bytes - a.bytes);
}

/** A table of what goes or went, and the sum. */
export function renderTallies(kinds: readonly Tally[], isDeleted: boolean): string {
  const table = new Table({
    head: ['kind', 'objects', 'size'],
    colAligns: ['left', 'right', 'right'],
    ...tableStyle(),
  });
  for (const { kind, objects, bytes } of kinds) table.push([kind, objects, size(bytes)]);
  const all = `${count(sum(kinds, 'objects'), 'object')}, ${size(sum(kinds, 'bytes'))}`;
  const verdict = isDeleted ? `Deleted ${all}.` : `Would delete ${all}. Nothing was deleted: add --yes for that.`;
  return [table.toString(), verdict].join('\n');
}

export const sum = (kinds: readonly Tally[], of: 'objects' | 'bytes'): number =>
  kinds.reduce((total, kind) => total + kind[of], 0);
export const count = (number: number, word: string, words = `${word}s`): string =>
  `${number} ${number === 1 ? word : words}`;

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

function size(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${UNITS[power]}`;
}
