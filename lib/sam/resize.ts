/**
 * Pillow's `Image.resize(..., BILINEAR)` on 8-bit images, to the bit: a triangle filter widened when shrinking
 * (antialiasing), coefficients in fixed point with 22 fraction bits, the horizontal pass first, and rounding to uint8
 * after each pass. Source: Pillow, src/libImaging/Resample.c.
 *
 * Where the coefficients are whole multiples of 1/256, as those from 512 to 1024 pixels are, a weighted sum of bytes fits
 * 16 bits: one 32-bit integer then holds two sums, the lanes, and each multiplication makes both.
 */
const PRECISION_BITS = 32 - 8 - 2;
const HALF = 1 << (PRECISION_BITS - 1);

const LANE_BITS = 8;
const LANE_ONE = 1 << LANE_BITS;
const LANE_HALVES = 0x0080_0080;
/** The low byte of each lane, which holds the rounded sum once that is shifted. */
const LANE_BYTES = 0x00ff_00ff;

/** Rows between the two passes, [height, stride]: a row is whole 32-bit words, with arbitrary bytes after its end. */
interface Rows {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly height: number;
  readonly stride: number;
}

interface Kernel {
  /** First source sample of each target sample. */
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** Fixed-point coefficients, `taps` to a target sample. */
  readonly weights: Int32Array;
  readonly taps: number;
  /** In 1/256, the weight of the first of two samples; the second has the rest. Null where that would not be exact. */
  readonly near: Int32Array | null;
}

/** Resizes grey pixels [height, width] to [toHeight, toWidth]. */
export function resizeBilinear(
  pixels: Uint8Array,
  height: number,
  width: number,
  toHeight: number,
  toWidth: number,
): Uint8Array {
  const target = new Uint8Array(toHeight * toWidth);
  eachResizedRow(pixels, height, width, toHeight, toWidth, (words, y) =>
    target.set(new Uint8Array(words.buffer, 0, toWidth), y * toWidth),
  );
  return target;
}

/**
 * As `resizeBilinear`, row by row while the row is in the cache. `words` holds four pixels each, the first in the lowest
 * byte, with arbitrary bytes after the last pixel; it is used again for the next row.
 */
export function eachResizedRow(
  pixels: Uint8Array,
  height: number,
  width: number,
  toHeight: number,
  toWidth: number,
  take: (words: Uint32Array, y: number) => void,
): void {
  const across = triangleKernel(width, toWidth);
  const rows = emptyRows(height, toWidth);
  (across.near ? resizeRowPairs : resizeRows)(pixels, width, across, rows);
  const down = triangleKernel(height, toHeight);
  const row = emptyRows(1, toWidth);
  const combine = down.near ? combineInLanes : combineRows;
  for (let y = 0; y < toHeight; y++) {
    combine(rows, down, y, row);
    take(row.words, y);
  }
}

function emptyRows(height: number, width: number): Rows {
  const stride = Math.ceil(width / 4) * 4;
  const bytes = new Uint8Array(height * stride);
  return { bytes, words: new Uint32Array(bytes.buffer), height, stride };
}

function triangleKernel(from: number, to: number): Kernel {
  const scale = from / to;
  const support = Math.max(scale, 1);
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const weights = new Int32Array(to * taps);
  const raw = new Float64Array(taps);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const n = Math.min(from, Math.trunc(centre + support + 0.5)) - start;
    let total = 0;
    for (let k = 0; k < n; k++) {
      raw[k] = Math.max(0, 1 - Math.abs((k + start - centre + 0.5) / support));
      total += raw[k]!;
    }
    for (let k = 0; k < n; k++) weights[i * taps + k] = Math.trunc(0.5 + (raw[k]! / total) * (1 << PRECISION_BITS));
    first[i] = start;
    count[i] = n;
  }
  return { first, count, weights, taps, near: scale > 1 ? null : nearWeights(weights, taps) };
}

/** Enlarging has two taps at most. */
function nearWeights(weights: Int32Array, taps: number): Int32Array | null {
  const shift = PRECISION_BITS - LANE_BITS;
  const near = new Int32Array(weights.length / taps);
  for (let i = 0; i < near.length; i++) {
    const weight = weights[i * taps]!;
    near[i] = weight >> shift;
    if (near[i]! << shift !== weight || weight + weights[i * taps + 1]! !== 1 << PRECISION_BITS) return null;
  }
  return near;
}

// No sum of either pass leaves 0..255, so none is clipped: the weights of a triangle are not negative.

function resizeRows(source: Uint8Array, width: number, kernel: Kernel, target: Rows): void {
  const { first, count, weights, taps } = kernel;
  const { bytes, height, stride } = target;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < first.length; x++) {
      const from = y * width + first[x]!;
      let sum = HALF;
      for (let k = 0; k < count[x]!; k++) sum += source[from + k]! * weights[x * taps + k]!;
      bytes[y * stride + x] = sum >> PRECISION_BITS;
    }
  }
}

/** Two rows at once, one in each lane, four pixels of each; the last row of an odd number goes with itself. */
function resizeRowPairs(source: Uint8Array, width: number, kernel: Kernel, target: Rows): void {
  const { words, height } = target;
  const wordsPerRow = target.stride / 4;
  const taps = packedTaps(kernel, target.stride);
  // One more than a row, for the second sample of the last target, whose weight is zero.
  const pairs = new Int32Array(width + 1);
  for (let y = 0; y < height; y += 2) {
    const next = Math.min(y + 1, height - 1);
    for (let x = 0; x < width; x++) pairs[x] = source[y * width + x]! | (source[next * width + x]! << 16);
    const to = y * wordsPerRow;
    const toNext = next * wordsPerRow;
    for (let i = 0; i < wordsPerRow; i++) {
      const first =
        ((laneSums(pairs, taps[4 * i]!) >>> LANE_BITS) & LANE_BYTES) |
        (laneSums(pairs, taps[4 * i + 1]!) & ~LANE_BYTES);
      const last =
        ((laneSums(pairs, taps[4 * i + 2]!) >>> LANE_BITS) & LANE_BYTES) |
        (laneSums(pairs, taps[4 * i + 3]!) & ~LANE_BYTES);
      words[to + i] = (first & 0xffff) | (last << 16);
      words[toNext + i] = (first >>> 16) | (last & ~0xffff);
    }
  }
}

/** First sample and its weight in one integer: one load instead of two. */
function packedTaps({ first, near }: Kernel, stride: number): Int32Array {
  const taps = new Int32Array(stride);
  for (let i = 0; i < first.length; i++) taps[i] = (first[i]! << (LANE_BITS + 1)) | near![i]!;
  return taps;
}

function laneSums(pairs: Int32Array, tap: number): number {
  const from = tap >>> (LANE_BITS + 1);
  const weight = tap & (2 * LANE_ONE - 1);
  return Math.imul(pairs[from]!, weight) + Math.imul(pairs[from + 1]!, LANE_ONE - weight) + LANE_HALVES;
}

/** Writes target row `y` to `row`. */
function combineRows({ bytes, stride }: Rows, { first, count, weights, taps }: Kernel, y: number, row: Rows): void {
  const sums = new Int32Array(stride).fill(HALF);
  for (let k = 0; k < count[y]!; k++) {
    const from = (first[y]! + k) * stride;
    const weight = weights[y * taps + k]!;
    for (let x = 0; x < stride; x++) sums[x] = sums[x]! + bytes[from + x]! * weight;
  }
  for (let x = 0; x < stride; x++) row.bytes[x] = sums[x]! >> PRECISION_BITS;
}

/** As `combineRows`, four pixels at once: bytes 0 and 2 of a word in two lanes, 1 and 3 in two others. */
function combineInLanes({ words, height, stride }: Rows, { first, near }: Kernel, y: number, row: Rows): void {
  const target = row.words;
  const from = (first[y]! * stride) / 4;
  const fromNext = (Math.min(first[y]! + 1, height - 1) * stride) / 4;
  const weight = near![y]!;
  const rest = LANE_ONE - weight;
  for (let i = 0; i < target.length; i++) {
    const a = words[from + i]!;
    const b = words[fromNext + i]!;
    const even = Math.imul(a & LANE_BYTES, weight) + Math.imul(b & LANE_BYTES, rest) + LANE_HALVES;
    const odd = Math.imul((a >>> 8) & LANE_BYTES, weight) + Math.imul((b >>> 8) & LANE_BYTES, rest) + LANE_HALVES;
    target[i] = ((even >>> LANE_BITS) & LANE_BYTES) | (odd & ~LANE_BYTES);
  }
}
