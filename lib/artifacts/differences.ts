import { ArtifactRef } from '../../contracts/artifact.ts';

/** A place at which two values differ; `undefined` is what one of them lacks. */
export interface Difference {
  /** e.g. `training.learningRate` or `patients[1].split`. */
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** What differs from run to run without deciding anything: who asked, and how long things took. */
const TELLS_NOTHING: ReadonlySet<string> = new Set(['run', 'seconds', 'lineage']);

/** Every leaf at which two JSON values differ, in the order of `after`. An artifact is a leaf: its digest. */
export function differencesOf(before: unknown, after: unknown, path = ''): Difference[] {
  const [a, b] = [leafOf(before), leafOf(after)];
  if (!isBranch(a) || !isBranch(b) || Array.isArray(a) !== Array.isArray(b)) {
    return JSON.stringify(a) === JSON.stringify(b) ? [] : [{ path, before: a, after: b }];
  }
  const names = [...new Set([...Object.keys(b), ...Object.keys(a)])].filter((name) => !TELLS_NOTHING.has(name));
  return names.flatMap((name) => {
    const at = Array.isArray(b) ? `${path}[${name}]` : path ? `${path}.${name}` : name;
    return differencesOf(a[name], b[name], at);
  });
}

function leafOf(value: unknown): unknown {
  const ref = ArtifactRef.safeParse(value);
  return ref.success ? `${ref.data.kind} ${ref.data.sha256.slice(0, 12)}` : value;
}

const isBranch = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
