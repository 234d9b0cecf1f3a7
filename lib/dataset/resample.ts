/** Resampling within a slice. Pixels are areas: pixel i of n covers [i / n, (i + 1) / n) of the side, before and after. */

/**
 * Values [height, width] at another size, with a triangle filter that is widened when shrinking, so that no detail turns into a
 * pattern that is not there; at the border the nearest values count. Along columns first.
 */
export function resampleLinear(
  values: Float32Array,
  [height, width]: readonly [number, number],
  [toHeight, toWidth]: readonly [number, number],
): Float32Array {
  const rows = new Float32Array(height * toWidth);
  const across = kernel(width, toWidth);
  for (let y = 0; y < height; y += 1) blend(values, y * width, 1, across, rows, y * toWidth, 1);
  const target = new Float32Array(toHeight * toWidth);
  const down = kernel(height, toHeight);
  for (let x = 0; x < toWidth; x += 1) blend(rows, x, toWidth, down, target, x, toWidth);
  return target;
}

/** Labels [height, width] at another size: each pixel takes the value under its middle. */
export function resampleNearest<T extends Uint8Array | Float32Array>(
  values: T,
  [height, width]: readonly [number, number],
  [toHeight, toWidth]: readonly [number, number],
): T {
  if (height === toHeight && width === toWidth) return values;
  const target = (
    values instanceof Float32Array ? new Float32Array(toHeight * toWidth) : new Uint8Array(toHeight * toWidth)
  ) as T;
  const columns = Int32Array.from({ length: toWidth }, (_, x) => Math.floor(((x + 0.5) * width) / toWidth));
  for (let y = 0; y < toHeight; y += 1) {
    const row = Math.floor(((y + 0.5) * height) / toHeight) * width;
    for (let x = 0; x < toWidth; x += 1) target[y * toWidth + x] = values[row + columns[x]!]!;
  }
  return target;
}

interface Tap {
  readonly first: number;
  readonly weights: readonly number[];
}

function kernel(from: number, to: number): Tap[] {
  const scale = from / to;
  const reach = Math.max(1, scale);
  return Array.from({ length: to }, (_, at) => {
    const middle = (at + 0.5) * scale;
    const first = Math.max(0, Math.floor(middle - reach));
    const last = Math.min(from, Math.ceil(middle + reach));
    const raw = Array.from({ length: last - first }, (_, tap) =>
      Math.max(0, 1 - Math.abs(first + tap + 0.5 - middle) / reach),
    );
    const sum = raw.reduce((total, weight) => total + weight, 0);
    return { first, weights: raw.map((weight) => weight / sum) };
  });
}

/** One line of values by a kernel; `start` and `stride` say where it lies in its array. */
function blend(
  values: Float32Array,
  start: number,
  stride: number,
  taps: readonly Tap[],
  target: Float32Array,
  to: number,
  toStride: number,
): void {
  for (const [at, { first, weights }] of taps.entries()) {
    let sum = 0;
    for (let tap = 0; tap < weights.length; tap += 1) sum += weights[tap]! * values[start + (first + tap) * stride]!;
    target[to + at * toStride] = sum;
  }
}
