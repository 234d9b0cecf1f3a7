import { type Box, connectedComponents } from '../dataset/components.ts';
import type { BoxSetting } from '../dataset/prompts.ts';
import { type CellGrid, cellSide } from './proposer-cells.ts';

/** How a map of cell shares becomes boxes. */
export interface BoxRule {
  /** Cells with at least this share belong to the structure. */
  readonly threshold: number;
  /** Cells by which each side moves outward. */
  readonly margin: number;
}

/** What counts as a box. Padding is no part of it: what a box is to be wider by is added where it is used. */
export type BoxMode = Pick<BoxSetting, 'box' | 'minComponentPixels'>;

/** Boxes as they are, and of nothing none: for `boxesOf`. */
export const exactly = ({ box, minComponentPixels }: BoxMode): BoxSetting => ({
  ...{ box, minComponentPixels, padding: 0, paddingPixels: 0, empty: 'none' },
});

export interface Proposal {
  /** In pixels of the slice. */
  readonly box: Box;
  /** The mean share of its cells, in 0..1. */
  readonly confidence: number;
}

/** The largest components of a structure on a slice; what is smaller is mostly noise. */
export const MOST_BOXES = 8;
/** A box is part of another one that covers this share of it. */
const COVERED = 0.8;

interface Piece extends Proposal {
  /** Sum of its cells' shares: its area in cells. */
  readonly mass: number;
}

/**
 * Boxes of one structure from the shares of its cells [cells]: one per connected component (or one round all of them), the
 * largest first. A side lies in its outermost cell as far out as the shares there, and beyond, would fill it.
 */
export function boxesOfShares(shares: Float32Array, cells: CellGrid, rule: BoxRule, mode: BoxMode): Proposal[] {
  const { grid } = cells;
  const { labels, components } = connectedComponents(
    Uint8Array.from(shares, (share) => (share >= rule.threshold ? 1 : 0)),
    grid,
    grid,
  );
  const pieces = components.map(({ label, box, pixels }) => {
    const mass = massOf(shares, labels, label, box, grid);
    return { box: outline(shares, labels, label, box, grid), confidence: mass / pixels, mass };
  });
  const enough = mode.minComponentPixels / cellSide(cells) ** 2;
  const kept = pieces.filter(({ mass }) => mass >= enough).sort((a, b) => b.mass - a.mass);
  const merged = mode.box === 'label' && kept.length > 0 ? [kept.reduce(join)] : withoutCovered(kept);
  return merged
    .slice(0, MOST_BOXES)
    .map(({ box, confidence }) => ({ box: onSlice(box, cells, rule.margin), confidence: Math.min(1, confidence) }));
}

function massOf(shares: Float32Array, labels: Int32Array, label: number, [x0, y0, x1, y1]: Box, grid: number): number {
  let mass = 0;
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) if (labels[y * grid + x] === label) mass += shares[y * grid + x]!;
  }
  return mass;
}

/** The component's box in cells, with fractions. */
function outline(shares: Float32Array, labels: Int32Array, label: number, cellBox: Box, grid: number): Box {
  const [x0, y0, x1, y1] = cellBox;
  const reach: Box = [grid, grid, 0, 0];
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const at = y * grid + x;
      if (labels[at] !== label) continue;
      const own = shares[at]!;
      // Cells at the component's border: what its neighbour outside holds is the rest of the same edge.
      const beyond = (inGrid: boolean, next: number) => own + (inGrid && labels[next] === 0 ? shares[next]! : 0);
      if (x === x0) reach[0] = Math.min(reach[0], x + 1 - beyond(x > 0, at - 1));
      if (y === y0) reach[1] = Math.min(reach[1], y + 1 - beyond(y > 0, at - grid));
      if (x === x1 - 1) reach[2] = Math.max(reach[2], x + beyond(x < grid - 1, at + 1));
      if (y === y1 - 1) reach[3] = Math.max(reach[3], y + beyond(y < grid - 1, at + grid));
    }
  }
  return reach;
}

/** Cells to pixels of the slice, and no further than its borders. */
function onSlice([x0, y0, x1, y1]: Box, cells: CellGrid, margin: number): Box {
  const side = cellSide(cells);
  const along = (cell: number, extent: number) => Math.min(extent, Math.max(0, cell * side));
  const { height, width } = cells;
  return [along(x0 - margin, width), along(y0 - margin, height), along(x1 + margin, width), along(y1 + margin, height)];
}

const join = (a: Piece, b: Piece): Piece => ({
  box: round(a.box, b.box),
  confidence: (a.confidence * a.mass + b.confidence * b.mass) / (a.mass + b.mass),
  mass: a.mass + b.mass,
});

/** The box round both. */
export const round = (a: Readonly<Box>, b: Readonly<Box>): Box => [
  Math.min(a[0], b[0]),
  Math.min(a[1], b[1]),
  Math.max(a[2], b[2]),
  Math.max(a[3], b[3]),
];

/** Pieces, largest first, that lie inside a larger one become part of it. */
function withoutCovered(pieces: readonly Piece[]): Piece[] {
  const kept: Piece[] = [];
  for (const piece of pieces) {
    const into = kept.findIndex(({ box }) => sharedArea(box, piece.box) >= COVERED * areaOf(piece.box));
    if (into < 0) kept.push(piece);
    else kept[into] = join(kept[into]!, piece);
  }
  return kept;
}

const areaOf = ([x0, y0, x1, y1]: Readonly<Box>): number => Math.max(0, x1 - x0) * Math.max(0, y1 - y0);

function sharedArea(a: Readonly<Box>, b: Readonly<Box>): number {
  const [x0, y0] = [Math.max(a[0], b[0]), Math.max(a[1], b[1])];
  return areaOf([x0, y0, Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
}

/** Intersection over union of two boxes; 0 where both are empty. */
export function boxIou(a: Readonly<Box>, b: Readonly<Box>): number {
  const shared = sharedArea(a, b);
  const union = areaOf(a) + areaOf(b) - shared;
  return union > 0 ? shared / union : 0;
}
