import type { Shape3 } from './affine.ts';

/** Connected voxels, as runs along x: few numbers where a mask has many voxels. */
export interface Components {
  /** Places in memory of each run, [start, end), in memory order. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Component of each run, from 0 in the order of their first voxels. */
  readonly component: Int32Array;
  /** Voxels of each component. */
  readonly voxels: readonly number[];
  /** Whether a component reaches the end of the grid. */
  readonly open: readonly boolean[];
}

export interface ComponentsSetting {
  readonly of: 'foreground' | 'background';
  /** What joins voxels: a common face (6), or a face, an edge or a corner (26). */
  readonly connectivity: 6 | 26;
}

interface Runs {
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** First run of each row, and the number of runs at the end. */
  readonly rows: Int32Array;
}

/** Rows before a row that touch it: steps along y and z. */
const ROWS_BEFORE = {
  6: [
    [-1, 0],
    [0, -1],
  ],
  26: [
    [-1, 0],
    [-1, -1],
    [0, -1],
    [1, -1],
  ],
} as const;

/**
 * Connected components of the foreground (non-zero) of a mask, x fastest, or of its background. Runs in neighbouring rows are
 * joined by union-find: linear time.
 */
export function connectedVoxels(mask: Uint8Array, shape: Shape3, { of, connectivity }: ComponentsSetting): Components {
  const [nx, ny, nz] = shape;
  const runs = runsOf(mask, nx, ny * nz, of === 'background');
  const parents = Int32Array.from(runs.starts.keys());
  for (let z = 0; z < nz; z += 1) {
    for (let y = 0; y < ny; y += 1) {
      for (const [dy, dz] of ROWS_BEFORE[connectivity]) {
        if (y + dy < 0 || y + dy >= ny || z + dz < 0) continue;
        const row = y + ny * z;
        joinRows(runs, row, row + dy + ny * dz, nx, connectivity === 26 ? 1 : 0, parents);
      }
    }
  }
  return measure(runs, parents, shape);
}

function runsOf(mask: Uint8Array, nx: number, rowCount: number, background: boolean): Runs {
  const rows = new Int32Array(rowCount + 1);
  const visit = (each: (start: number, end: number) => void): void => {
    let count = 0;
    for (let row = 0, at = 0; row < rowCount; row += 1) {
      rows[row] = count;
      const end = at + nx;
      while (at < end) {
        while (at < end && (mask[at] === 0) !== background) at += 1;
        const start = at;
        while (at < end && (mask[at] === 0) === background) at += 1;
        if (at === start) continue;
        each(start, at);
        count += 1;
      }
    }
    rows[rowCount] = count;
  };
  visit(() => undefined);
  const starts = new Int32Array(rows[rowCount]!);
  const ends = new Int32Array(starts.length);
  let run = 0;
  visit((start, end) => {
    starts[run] = start;
    ends[run] = end;
    run += 1;
  });
  return { starts, ends, rows };
}

/** Joins the runs of two rows that overlap along x, or come as near as `reach` voxels to it. */
function joinRows(runs: Runs, row: number, other: number, nx: number, reach: number, parents: Int32Array): void {
  const { starts, ends, rows } = runs;
  const shift = (row - other) * nx;
  let [a, b] = [rows[row]!, rows[other]!];
  while (a < rows[row + 1]! && b < rows[other + 1]!) {
    const [start, end] = [starts[b]! + shift, ends[b]! + shift];
    if (starts[a]! < end + reach && start < ends[a]! + reach) unite(parents, a, b);
    if (ends[a]! < end) a += 1;
    else b += 1;
  }
}

function measure({ starts, ends }: Runs, parents: Int32Array, [nx, ny, nz]: Shape3): Components {
  const component = new Int32Array(starts.length);
  const voxels: number[] = [];
  const open: boolean[] = [];
  for (let run = 0; run < starts.length; run += 1) {
    const root = find(parents, run);
    // A root is its component's first run, so it has its number already.
    if (root === run) {
      component[run] = voxels.length;
      voxels.push(0);
      open.push(false);
    } else component[run] = component[root]!;
    const own = component[run]!;
    voxels[own]! += ends[run]! - starts[run]!;
    const row = Math.floor(starts[run]! / nx);
    const [y, z] = [row % ny, Math.floor(row / ny)];
    const reachesEnd = starts[run] === row * nx || ends[run] === (row + 1) * nx;
    open[own] ||= reachesEnd || y === 0 || y === ny - 1 || z === 0 || z === nz - 1;
  }
  return { starts, ends, component, voxels, open };
}

/** The root of a run; halves the path on the way, so that chains stay short. */
function find(parents: Int32Array, run: number): number {
  let at = run;
  while (parents[at] !== at) {
    parents[at] = parents[parents[at]!]!;
    at = parents[at]!;
  }
  return at;
}

/** Joins two sets under the smaller root. */
function unite(parents: Int32Array, one: number, other: number): void {
  const [a, b] = [find(parents, one), find(parents, other)];
  parents[Math.max(a, b)] = Math.min(a, b);
}
