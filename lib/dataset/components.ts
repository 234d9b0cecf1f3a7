/** Half-open pixel box [x0, y0, x1, y1]: pixel (x, y) covers [x, x + 1), so one pixel (3, 5) has the box [3, 5, 4, 6]. */
export type Box = [x0: number, y0: number, x1: number, y1: number];

export interface Component {
  /** Value of this component in the label image, from 1. */
  readonly label: number;
  readonly pixels: number;
  readonly box: Box;
}

export interface Components {
  /** [H, W]; 0 is background. */
  readonly labels: Int32Array;
  /** In raster order of their first pixel: `components[k].label` is k + 1. */
  readonly components: readonly Component[];
}

/**
 * Connected components of a mask [H, W] (row-major, non-zero is foreground), with 8 neighbours: pixels that touch at a
 * corner belong together, as in a thin oblique structure.
 *
 * Two passes with a union-find over runs of provisional labels (Rosenfeld and Pfaltz 1966): linear time, no recursion.
 */
export function connectedComponents(mask: Uint8Array, height: number, width: number): Components {
  if (mask.length !== height * width) {
    throw new RangeError(`a mask of ${height} x ${width} has ${height * width} pixels, got ${mask.length}`);
  }
  const labels = new Int32Array(mask.length);
  const parents = firstPass(mask, labels, height, width);
  return { labels, components: secondPass(labels, parents, height, width) };
}

/** Gives each pixel a provisional label and records which labels meet; returns the parent of each label. */
function firstPass(mask: Uint8Array, labels: Int32Array, height: number, width: number): number[] {
  const parents = [0];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * width + x;
      if (mask[at] === 0) continue;
      let label = x > 0 ? labels[at - 1]! : 0;
      if (y > 0) {
        for (let dx = -1; dx <= 1; dx += 1) {
          if (x + dx < 0 || x + dx >= width) continue;
          const above = labels[at - width + dx]!;
          if (above === 0) continue;
          label = label === 0 ? above : unite(parents, label, above);
        }
      }
      if (label === 0) {
        label = parents.length;
        parents.push(label);
      }
      labels[at] = label;
    }
  }
  return parents;
}

/** Replaces provisional labels by final ones in raster order and measures each component. */
function secondPass(labels: Int32Array, parents: number[], height: number, width: number): Component[] {
  const finals = new Int32Array(parents.length);
  const pixels: number[] = [];
  const boxes: Box[] = [];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * width + x;
      if (labels[at] === 0) continue;
      const root = find(parents, labels[at]!);
      if (finals[root] === 0) {
        boxes.push([x, y, x + 1, y + 1]);
        pixels.push(0);
        finals[root] = boxes.length;
      }
      const label = finals[root]!;
      labels[at] = label;
      pixels[label - 1] = pixels[label - 1]! + 1;
      growBox(boxes[label - 1]!, x, y);
    }
  }
  return boxes.map((box, index) => ({ label: index + 1, pixels: pixels[index]!, box }));
}

function growBox(box: Box, x: number, y: number): void {
  if (x < box[0]) box[0] = x;
  if (x >= box[2]) box[2] = x + 1;
  if (y >= box[3]) box[3] = y + 1;
}

/** The root of a label; halves the path on the way, so that chains stay short. */
export function find(parents: number[], label: number): number {
  let at = label;
  while (parents[at] !== at) {
    parents[at] = parents[parents[at]!]!;
    at = parents[at]!;
  }
  return at;
}

/** Joins the sets of two labels under the smaller root and returns it. */
export function unite(parents: number[], one: number, other: number): number {
  const a = find(parents, one);
  const b = find(parents, other);
  const root = Math.min(a, b);
  parents[a] = root;
  parents[b] = root;
  return root;
}

/** The box round all foreground of a mask [H, W], or null where there is none. */
export function boundingBox(mask: Uint8Array, height: number, width: number): Box | null {
  let box: Box | null = null;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (mask[y * width + x] === 0) continue;
      if (box === null) box = [x, y, x + 1, y + 1];
      else growBox(box, x, y);
    }
  }
  return box;
}
