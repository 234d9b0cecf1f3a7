import type { SliceAxis } from '../dataset/slices.ts';

/**
 * Slices on a grid of cells [g, g] that lies on the square which the model sees: the slice's longest edge is as long as the
 * square's, and below or to the right of the slice the square is padded.
 */

/** Parts of an embedding's cell along each side, of which the proposer tells the shares one by one. */
export const PARTS = 2;

/** Cells along a side of the proposer's maps, for an embedding [C, grid, grid]. */
export const mapGrid = (grid: number): number => grid * PARTS;

/** A slice's height, width, and the cells along a side of the square. */
export interface CellGrid {
  readonly height: number;
  readonly width: number;
  readonly grid: number;
}

/** Side of a cell, in pixels of the slice. */
export const cellSide = ({ height, width, grid }: CellGrid): number => Math.max(height, width) / grid;

/** Share of each cell [cells] that lies on the slice: 0 in the padding. */
export function insideShares(cells: CellGrid): Float32Array {
  const { height, width, grid } = cells;
  const [down, across] = [axisShares(height, cells), axisShares(width, cells)];
  const shares = new Float32Array(grid ** 2);
  for (const row of down) {
    for (const { cell: y, share: dy } of row) {
      for (const column of across) for (const { cell: x, share: dx } of column) shares[y * grid + x]! += dy * dx;
    }
  }
  return shares;
}

/** Share of each cell that each structure covers, [K, cells], from labels [H, W] of 0 (none of them) to K. */
export function structureShares(labels: Uint8Array, structures: number, cells: CellGrid): Float32Array {
  const { height, width, grid } = cells;
  const [down, across] = [axisShares(height, cells), axisShares(width, cells)];
  const shares = new Float32Array(structures * grid ** 2);
  for (let at = 0; at < labels.length; at++) {
    const label = labels[at]!;
    if (label === 0 || label > structures) continue;
    const first = (label - 1) * grid ** 2;
    for (const { cell: y, share: dy } of down[Math.floor(at / width)]!) {
      for (const { cell: x, share: dx } of across[at % width]!) shares[first + y * grid + x]! += dy * dx;
    }
  }
  return shares;
}

/** For each pixel along an edge, the cells that it lies in and the share of their side that it takes. */
function axisShares(pixels: number, cells: CellGrid): { readonly cell: number; readonly share: number }[][] {
  const side = cellSide(cells);
  return Array.from({ length: pixels }, (_, pixel) => {
    const [from, to] = [pixel / side, (pixel + 1) / side];
    const [first, last] = [Math.floor(from), Math.min(cells.grid, Math.ceil(to))];
    return Array.from({ length: last - first }, (__, i) => {
      const cell = first + i;
      return { cell, share: Math.min(to, cell + 1) - Math.max(from, cell) };
    });
  });
}

/** Coordinates of a cell's place, and all numbers that tell it: see `writePlaces`. */
export const COORDINATES = 3;
export const PLACE_SIZE = 5;

/** Where a slice lies in its scan. */
export interface SlicePlace {
  readonly axis: SliceAxis;
  /** Of its middle along the slice axis, 0..1. */
  readonly position: number;
}

/**
 * Where each cell's middle lies, [cells, 5]: x and y as fractions of the slice and the slice's position, all in -1..1 (beyond
 * the slice the border's), and whether it is coronal, or sagittal. Written to `out` from element `at` on.
 */
export function writePlaces(cells: CellGrid, { axis, position }: SlicePlace, out: Float32Array, at: number): void {
  const { height, width, grid } = cells;
  const side = cellSide(cells);
  const plane = [Number(axis === 'coronal'), Number(axis === 'sagittal')];
  const place = (cell: number, extent: number) => 2 * Math.min(1, ((cell + 0.5) * side) / extent) - 1;
  for (let y = 0; y < grid; y++) {
    for (let x = 0; x < grid; x++) {
      const coordinates = [place(x, width), place(y, height), 2 * position - 1];
      out.set([...coordinates, ...plane], at + PLACE_SIZE * (y * grid + x));
    }
  }
}
