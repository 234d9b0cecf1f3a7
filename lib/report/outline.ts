const RIGHT = 0;
const DOWN = 1;
const LEFT = 2;
const UP = 3;

/**
 * The boundary of a mask as an SVG path along pixel edges: exact at any magnification, and filled by the even-odd rule it
 * covers just the mask's pixels.
 *
 * Each boundary edge is directed so that the mask lies to its right; at every corner as many edges leave as arrive, so
 * following unused edges always comes back to the start.
 *
 * @param mask U8 [height, width], foreground where not zero
 * @returns path data in pixel units, relative and merged into straight runs; empty for an empty mask
 */
export function outline(mask: Uint8Array, height: number, width: number): string {
  const stride = width + 1;
  // Bit d of a corner's entry: an edge leaves it in direction d.
  const edges = new Uint8Array(stride * (height + 1));
  const inside = (x: number, y: number): boolean =>
    x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] !== 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!inside(x, y)) continue;
      const corner = y * stride + x;
      if (!inside(x, y - 1)) edges[corner]! |= 1 << RIGHT;
      if (!inside(x + 1, y)) edges[corner + 1]! |= 1 << DOWN;
      if (!inside(x, y + 1)) edges[corner + stride + 1]! |= 1 << LEFT;
      if (!inside(x - 1, y)) edges[corner + stride]! |= 1 << UP;
    }
  }
  let path = '';
  for (let start = 0; start < edges.length; start++) {
    while (edges[start] !== 0) path += `M${start % stride} ${Math.floor(start / stride)}${loop(edges, start, stride)}z`;
  }
  return path;
}

/** Follows and uses up one closed loop; returns its runs, e.g. `h3v2h-3`, without the last one, which closes the path. */
function loop(edges: Uint8Array, start: number, stride: number): string {
  const steps = [1, stride, -1, -stride];
  const runs: string[] = [];
  let corner = start;
  let direction = RIGHT;
  let length = 0;
  do {
    // Where two loops touch, the lowest direction is as good as the other.
    const next = 31 - Math.clz32(edges[corner]! & -edges[corner]!);
    if (next !== direction && length > 0) {
      runs.push(run(direction, length));
      length = 0;
    }
    direction = next;
    length++;
    edges[corner]! &= ~(1 << next);
    corner += steps[next]!;
  } while (corner !== start);
  return runs.join('');
}

function run(direction: number, length: number): string {
  return `${direction === RIGHT || direction === LEFT ? 'h' : 'v'}${direction === RIGHT || direction === DOWN ? length : -length}`;
}
