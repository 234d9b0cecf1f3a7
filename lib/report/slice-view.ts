import type { Box, SlicePicture } from './report-data.ts';

/** A part of a slice, in units of the smaller pixel side: proportions are those of the body. */
export interface View {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The view is this many times as large as the target. */
const MARGIN = 1.3;
const SMALLEST = 0.2;
/** A target that fills more of the slice than this is shown in the whole slice. */
const LARGEST = 0.7;

/** Units for each pixel along x and y. */
export function pixelScale({ spacingMm }: SlicePicture): readonly [x: number, y: number] {
  const [x, y] = spacingMm ?? [1, 1];
  return [round(x / Math.min(x, y)), round(y / Math.min(x, y))];
}

export function wholeView(picture: SlicePicture): View {
  const [x, y] = pixelScale(picture);
  return { x: 0, y: 0, width: round(picture.width * x), height: round(picture.height * y) };
}

/**
 * The part with everything that is drawn over the image (truth, both predictions, boxes), in the slice's proportions; the
 * whole slice where that part is not much smaller or nothing is drawn.
 */
export function targetView(picture: SlicePicture): View {
  const whole = wholeView(picture);
  const extent = drawnExtent(picture);
  if (!extent) return whole;
  const [sx, sy] = pixelScale(picture);
  const [x0, y0, x1, y1] = [extent[0] * sx, extent[1] * sy, extent[2] * sx, extent[3] * sy];
  const fraction = Math.max(SMALLEST, MARGIN * Math.max((x1 - x0) / whole.width, (y1 - y0) / whole.height));
  if (fraction > LARGEST) return whole;
  const [width, height] = [fraction * whole.width, fraction * whole.height];
  const place = (middle: number, size: number, limit: number): number =>
    round(Math.min(Math.max(middle - size / 2, 0), limit - size));
  return {
    x: place((x0 + x1) / 2, width, whole.width),
    y: place((y0 + y1) / 2, height, whole.height),
    width: round(width),
    height: round(height),
  };
}

/** Three decimals: finer than can be seen, and free of floating-point tails. */
export function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** In pixels; null where nothing is drawn. */
function drawnExtent({ truth, zeroShot, fineTuned, width, pick }: SlicePicture): Box | null {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  const include = (left: number, top: number, right: number, bottom: number): void => {
    x0 = Math.min(x0, left);
    y0 = Math.min(y0, top);
    x1 = Math.max(x1, right);
    y1 = Math.max(y1, bottom);
  };
  for (let i = 0; i < truth.length; i++) {
    if (!truth[i] && !zeroShot[i] && !fineTuned[i]) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    include(x, y, x + 1, y + 1);
  }
  for (const box of pick.boxes) include(...box);
  return x1 > x0 && y1 > y0 ? [x0, y0, x1, y1] : null;
}
