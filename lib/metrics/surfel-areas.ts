import type { Triple } from './grid.ts';

/**
 * Pieces of surface ("surfels") inside the cubes between eight voxel centres: what marching cubes draws with each cut in the
 * middle of an edge (Lorensen and Cline 1987), as surface metrics take it since Nikolov et al. (2018, arXiv:1809.04430).
 */

/** Bit of a cube's corner in the cube's code, which has the bits of those corners that are foreground. */
export const cornerBit = (x: number, y: number, z: number): number => 1 << (4 * x + 2 * y + z);

const ALL_CORNERS = 255;

/**
 * The pieces round corners (xyz) that are joined by edges: their flat parts, each as a vector across it, xyz in eighths of a
 * unit cube, whose length is the area. Turned and mirrored these six are all there are. Where a piece is not flat it is cut as
 * marching cubes cuts it: a pentagon into triangle and trapezoid, the skew hexagon along the triangle of every other vertex.
 */
const PIECES = [
  { corners: '000', parts: '111' },
  { corners: '000 001', parts: '440' },
  { corners: '010 000 001', parts: '400 333' },
  { corners: '000 001 010 011', parts: '800' },
  { corners: '000 001 010 100', parts: '666' },
  { corners: '011 111 110 100', parts: '444 022 202' },
];

const ORDERS: readonly Triple[] = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

const digits = (text: string): Triple[] => text.split(' ').map((word) => [...word].map(Number) as unknown as Triple);
const reorder = (of: Triple, [i, j, k]: Triple): Triple => [of[i]!, of[j]!, of[k]!];

/** Parts of every connected group of up to four corners, by its code. */
const PARTS_OF_GROUP = new Map(
  PIECES.flatMap(({ corners, parts }) =>
    ORDERS.flatMap((order) =>
      Array.from({ length: 8 }, (_, mirror) => {
        const turned = digits(corners).map((corner) => reorder(corner, order));
        const code = turned.reduce(
          (sum, [x, y, z]) => sum | cornerBit(x ^ (mirror & 1), y ^ ((mirror >> 1) & 1), z ^ (mirror >> 2)),
          0,
        );
        return [code, digits(parts).map((part) => reorder(part, order))] as const;
      }),
    ),
  ),
);

/** Codes of the groups of corners joined by edges of the cube, in one code. */
function groupsOf(code: number): number[] {
  const groups: number[] = [];
  for (let rest = code; rest !== 0; rest &= ~groups.at(-1)!) {
    let group = rest & -rest;
    for (let before = 0; before !== group; ) {
      before = group;
      for (let corner = 0; corner < 8; corner += 1) {
        if (before & (1 << corner)) group |= rest & ((1 << (corner ^ 1)) | (1 << (corner ^ 2)) | (1 << (corner ^ 4)));
      }
    }
    groups.push(group);
  }
  return groups;
}

const bitCount = (code: number): number => code.toString(2).replaceAll('0', '').length;

/**
 * Surface inside a cube of voxel centres, in mm², by the cube's code: 256 values, 0 for a cube all in or all out. Where both
 * readings are possible, the fewer corners are the ones that lie apart.
 */
export function surfelAreasMm2([sx, sy, sz]: Triple): Float64Array {
  const across = [(sy * sz) / 8, (sx * sz) / 8, (sx * sy) / 8] as const;
  return Float64Array.from({ length: 256 }, (_, code) => {
    const fewer = bitCount(code) > 4 ? code ^ ALL_CORNERS : code;
    const parts = groupsOf(fewer).flatMap((group) => PARTS_OF_GROUP.get(group)!);
    return parts.reduce((sum, [x, y, z]) => sum + Math.hypot(x * across[0], y * across[1], z * across[2]), 0);
  });
}
