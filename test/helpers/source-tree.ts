import { readdirSync, readFileSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Import, importsOf } from './imports.ts';

/** Path with forward slashes, relative to the repository → text. */
export type SourceTree = ReadonlyMap<string, string>;

export const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const NOT_OURS = new Set(['node_modules', '.git', '.samflow']);

/** Every file of the repository, as paths with forward slashes. */
export function listRepository(folder = ''): string[] {
  return readdirSync(path.join(REPOSITORY, folder), { withFileTypes: true })
    .filter((entry) => !NOT_OURS.has(entry.name))
    .flatMap((entry) => {
      const name = path.posix.join(folder, entry.name);
      return entry.isDirectory() ? listRepository(name) : entry.isFile() ? [name] : [];
    })
    .sort();
}

export const readRepositoryFile = (file: string): string => readFileSync(path.join(REPOSITORY, file), 'utf8');

/** Text files only: anything with a zero byte in its first 8 KiB, or larger than 1 MiB, is data. */
export function readTextFiles(): Map<string, string> {
  const texts = new Map<string, string>();
  for (const file of listRepository()) {
    if (statSync(path.join(REPOSITORY, file)).size > 2 ** 20) continue;
    const bytes = readFileSync(path.join(REPOSITORY, file));
    if (!bytes.subarray(0, 8192).includes(0)) texts.set(file, bytes.toString('utf8'));
  }
  return texts;
}

export const isSource = (file: string): boolean =>
  /\.(ts|mts|mjs|js)$/.test(file) && !file.startsWith('test/fixtures/');

export interface Edge {
  readonly from: string;
  readonly kind: Import['kind'];
  /** Where it leads: a file of ours, a package by its name, a part of Node, or nothing that exists. */
  readonly to: { readonly [K in 'file' | 'package' | 'node' | 'missing']?: string };
}

function destination(from: string, specifier: string, tree: SourceTree): Edge['to'] {
  if (specifier.startsWith('.') || specifier.startsWith('/')) {
    const file = path.posix.join(path.posix.dirname(from), specifier);
    return tree.has(file) ? { file } : { missing: specifier };
  }
  if (isBuiltin(specifier)) return { node: specifier };
  const parts = specifier.split('/');
  return { package: specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]! };
}

export function edgesOf(tree: SourceTree): Edge[] {
  return [...tree]
    .filter(([file]) => isSource(file))
    .flatMap(([from, source]) =>
      importsOf(source).map(({ specifier, kind }) => ({ from, kind, to: destination(from, specifier, tree) })),
    );
}

/** Groups of files that load each other: strongly connected components of more than one file (Tarjan), and self-loops. */
export function cyclesOf(edges: readonly Edge[]): string[][] {
  const next = new Map<string, string[]>();
  for (const { from, kind, to } of edges) {
    if (kind !== 'type' && to.file) next.set(from, [...(next.get(from) ?? []), to.file]);
  }
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[][] = [];
  const visit = (file: string): void => {
    index.set(file, index.size);
    low.set(file, index.get(file)!);
    stack.push(file);
    for (const target of next.get(file) ?? []) {
      if (!index.has(target)) visit(target);
      if (stack.includes(target)) low.set(file, Math.min(low.get(file)!, low.get(target)!));
    }
    if (low.get(file) !== index.get(file)) return;
    const group = stack.splice(stack.indexOf(file));
    if (group.length > 1 || next.get(file)?.includes(file)) cycles.push(group.sort());
  };
  for (const file of next.keys()) if (!index.has(file)) visit(file);
  return cycles;
}

/** Every edge that loading `entry` follows, through our own files. */
export function loadedFrom(entry: string, edges: readonly Edge[], kinds: readonly Import['kind'][]): Edge[] {
  const seen = new Set([entry]);
  const loaded: Edge[] = [];
  for (const file of seen) {
    for (const edge of edges) {
      if (edge.from !== file || !kinds.includes(edge.kind)) continue;
      loaded.push(edge);
      if (edge.to.file) seen.add(edge.to.file);
    }
  }
  return loaded;
}
