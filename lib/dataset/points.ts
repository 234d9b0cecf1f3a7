import type { Box } from './components.ts';

/** What an object is pointed out with. */
export type PromptKind = 'box' | 'points' | 'box-and-points';

/** As `prompts` of the run configuration. */
export interface PointSetting {
  readonly kind: PromptKind;
  /** Points inside the object, and points beside it, where the kind has points. */
  readonly positivePoints: number;
  readonly negativePoints: number;
}

/** A click on a slice: the middle of a pixel, in pixels. */
export interface Point {
  readonly x: number;
  readonly y: number;
  /** 1: of the object. 0: beside it. -1: no point at all, where there was no place for one. */
  readonly label: 1 | 0 | -1;
}

/** Points of a prompt; 0 where it has none. */
export const pointsOf = ({ kind, positivePoints, negativePoints }: PointSetting): number =>
  kind === 'box' ? 0 : positivePoints + negativePoints;

/**
 * Clicks for an object (mask [H, W] of 0 and 1) that lies in this box. Those inside are drawn evenly from its pixels, or the
 * first is its deepest pixel, where a reader would click; those beside it from the other pixels of the box. A pure function of
 * the draws, `draw(n)` in [0, 1). An object without pixels has clicks beside it alone.
 */
export function drawPoints(
  mask: Uint8Array,
  box: Readonly<Box>,
  [height, width]: readonly [height: number, width: number],
  setting: PointSetting,
  draw: (n: number) => number,
  first: 'deepest' | 'drawn',
): Point[] {
  if (pointsOf(setting) === 0) return [];
  const { positivePoints, negativePoints } = setting;
  const [x0, y0, x1, y1] = [Math.floor(box[0]), Math.floor(box[1]), Math.ceil(box[2]), Math.ceil(box[3])];
  const inside: number[] = [];
  const beside: number[] = [];
  for (let y = Math.max(0, y0); y < Math.min(height, y1); y += 1) {
    for (let x = Math.max(0, x0); x < Math.min(width, x1); x += 1) {
      (mask[y * width + x] === 0 ? beside : inside).push(y * width + x);
    }
  }
  const point = (from: readonly number[], at: number | undefined, label: 1 | 0): Point =>
    at === undefined || from.length === 0
      ? { x: 0, y: 0, label: -1 }
      : { x: (at % width) + 0.5, y: Math.floor(at / width) + 0.5, label };
  const drawn = (from: readonly number[], n: number) => from[Math.floor(draw(n) * from.length)];
  return [
    ...Array.from({ length: positivePoints }, (_, n) =>
      point(inside, n === 0 && first === 'deepest' ? deepest(inside, width) : drawn(inside, n), 1),
    ),
    ...Array.from({ length: negativePoints }, (_, n) => point(beside, drawn(beside, positivePoints + n), 0)),
  ];
}

/** Clicks where there is only a box: its middle, and nothing beside it. */
export function pointsOfBox([x0, y0, x1, y1]: Readonly<Box>, setting: PointSetting): Point[] {
  return Array.from({ length: pointsOf(setting) }, (_, n) =>
    n === 0 && setting.positivePoints > 0
      ? { x: (x0 + x1) / 2, y: (y0 + y1) / 2, label: 1 }
      : { x: 0, y: 0, label: -1 },
  );
}

/** The pixel with the longest way out of all of them, in steps to one of four neighbours; the first in raster order. */
function deepest(pixels: readonly number[], width: number): number | undefined {
  const depth = new Map(pixels.map((at) => [at, 0]));
  const neighbours = (at: number) => {
    const x = at % width;
    return [at - width, at + width, x > 0 ? at - 1 : -1, x + 1 < width ? at + 1 : -1];
  };
  let layer = pixels.filter((at) => neighbours(at).some((next) => !depth.has(next)));
  for (const at of layer) depth.set(at, 1);
  let last = layer;
  while (layer.length > 0) {
    last = layer;
    const next: number[] = [];
    for (const at of layer) {
      for (const to of neighbours(at)) {
        if (depth.get(to) !== 0) continue;
        depth.set(to, depth.get(at)! + 1);
        next.push(to);
      }
    }
    layer = next;
  }
  return last.length > 0 ? last.reduce((least, at) => Math.min(least, at)) : undefined;
}
