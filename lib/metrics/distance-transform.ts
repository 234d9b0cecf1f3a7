import type { Grid } from './grid.ts';
import { LowerEnvelope } from './lower-envelope.ts';

/** A site's offset from a voxel along x and y, in voxels, as two half-words: whole numbers, so distances come out exact. */
const NONE = 0xffffffff;
const LARGEST_SIDE = 0xfffe;
/** Columns gathered together: the 4-byte offsets of a cache line. */
const TILE = 16;

/** Distances of the queries, in no particular order, each with the query's value. */
export interface Distances {
  readonly mm: Float64Array;
  readonly values: Uint8Array;
}

/**
 * The Euclidean distance, in millimetres, from each query voxel (non-zero) to the nearest site (non-zero); Infinity where
 * there is no site.
 *
 * Exact, for any spacing: a distance transform in one pass for each axis, by lower envelopes of parabolas (Felzenszwalb and
 * Huttenlocher 2012), linear in the number of voxels. What is kept between the passes is not a distance but the nearest site's
 * offset, 4 bytes a voxel; the last pass computes only where a query lies.
 */
export function distancesToSites(queries: Uint8Array, sites: Uint8Array, { shape, spacingMm }: Grid): Distances {
  const [nx, ny, nz] = shape;
  if (Math.max(...shape) > LARGEST_SIDE) throw new RangeError(`a side of ${Math.max(...shape)} voxels is too long`);
  if (queries.length !== nx * ny * nz || sites.length !== queries.length) {
    throw new RangeError(`a grid of ${shape.join(' x ')} got ${queries.length} queries and ${sites.length} sites`);
  }
  const [sx, sy, sz] = spacingMm;
  const area = nx * ny;
  const offsets = new Uint32Array(area * nz);
  const plane = new Uint16Array(area);
  const alongY = new LowerEnvelope(ny, sy);
  const asked = columnsAsked(queries, area);
  for (let z = 0; z < nz; z += 1) {
    nearestAlongX(sites, z * area, plane, nx, ny);
    nearestAlongY(plane, asked, offsets, z * area, nx, ny, sx, alongY);
  }
  return readAlongZ(queries, offsets, asked, area, nz, [sx, sy], new LowerEnvelope(nz, sz));
}

/** Which columns along z hold a query. */
function columnsAsked(queries: Uint8Array, area: number): Uint8Array {
  const asked = new Uint8Array(area);
  for (let at = 0, column = 0; at < queries.length; at += 1) {
    if (queries[at] !== 0) asked[column] = 1;
    column = column + 1 === area ? 0 : column + 1;
  }
  return asked;
}

/** Voxels to the nearest site in the same row, or LARGEST_SIDE + 1. */
function nearestAlongX(sites: Uint8Array, from: number, plane: Uint16Array, nx: number, ny: number): void {
  const none = LARGEST_SIDE + 1;
  for (let y = 0; y < ny; y += 1) {
    const row = y * nx;
    let distance = none;
    for (let x = 0; x < nx; x += 1) {
      if (sites[from + row + x] !== 0) distance = 0;
      else if (distance !== none) distance += 1;
      plane[row + x] = distance;
    }
    if (distance === none) continue;
    for (let x = nx - 1; x >= 0; x -= 1) {
      distance = Math.min(distance + 1, plane[row + x]!);
      plane[row + x] = distance;
    }
  }
}

/** Offsets to the nearest site in the same plane, for the columns that are asked for. */
function nearestAlongY(
  plane: Uint16Array,
  asked: Uint8Array,
  offsets: Uint32Array,
  from: number,
  nx: number,
  ny: number,
  sx: number,
  envelope: LowerEnvelope,
): void {
  const { heights, nearest } = envelope;
  for (let x = 0; x < nx; x += 1) {
    for (let y = 0, at = x; y < ny; y += 1, at += nx) {
      const dx = plane[at]!;
      heights[y] = dx > LARGEST_SIDE ? Number.POSITIVE_INFINITY : dx * sx * (dx * sx);
    }
    const found = envelope.fill();
    for (let y = 0, at = x; y < ny; y += 1, at += nx) {
      if (asked[at] === 0) continue;
      const other = nearest[y]!;
      offsets[from + at] = found ? ((plane[other * nx + x]! << 16) | Math.abs(y - other)) >>> 0 : NONE;
    }
  }
}

function readAlongZ(
  queries: Uint8Array,
  offsets: Uint32Array,
  asked: Uint8Array,
  area: number,
  nz: number,
  [sx, sy]: readonly [number, number],
  envelope: LowerEnvelope,
): Distances {
  let count = 0;
  for (let at = 0; at < queries.length; at += 1) if (queries[at] !== 0) count += 1;
  const mm = new Float64Array(count);
  const values = new Uint8Array(count);
  const squares = new Float64Array(TILE * nz);
  const { heights, nearest } = envelope;
  let out = 0;
  for (let first = 0; first < area; first += TILE) {
    const width = Math.min(TILE, area - first);
    if (!asked.subarray(first, first + width).includes(1)) continue;
    gather(offsets, first, width, area, nz, sx, sy, squares);
    for (let column = 0; column < width; column += 1) {
      if (asked[first + column] === 0) continue;
      heights.set(squares.subarray(column * nz, (column + 1) * nz));
      const found = envelope.fill();
      for (let z = 0, at = first + column; z < nz; z += 1, at += area) {
        if (queries[at] === 0) continue;
        const along = (z - nearest[z]!) * envelope.spacing;
        mm[out] = found ? Math.sqrt(heights[nearest[z]!]! + along * along) : Number.POSITIVE_INFINITY;
        values[out] = queries[at]!;
        out += 1;
      }
    }
  }
  return { mm, values };
}

/** Squared distances within the plane for some columns, column by column: [width, nz]. */
function gather(
  offsets: Uint32Array,
  first: number,
  width: number,
  area: number,
  nz: number,
  sx: number,
  sy: number,
  squares: Float64Array,
): void {
  for (let z = 0; z < nz; z += 1) {
    const row = z * area + first;
    for (let column = 0; column < width; column += 1) {
      const offset = offsets[row + column]!;
      const dx = (offset >>> 16) * sx;
      const dy = (offset & 0xffff) * sy;
      squares[column * nz + z] = offset === NONE ? Number.POSITIVE_INFINITY : dx * dx + dy * dy;
    }
  }
}
