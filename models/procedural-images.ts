import { random } from '../lib/dataset/random.ts';

/**
 * Procedural images for pretraining: 2 to 8 overlapping blobs and polygons, textured, blurred and noisy, on a textured
 * ground. No anatomy, and nothing of the demo's phantom. Image number i of a seed is always the same image.
 */
export interface ProceduralImage {
  /** [side, side] */
  readonly pixels: Uint8Array;
  /** Visible part of each object, [side, side] of 0 or 1, in the order of painting: sizes are mixed. */
  readonly masks: readonly Uint8Array[];
}

/** Objects with fewer visible pixels (at side 256) are not asked for. */
const MIN_VISIBLE = 32;

/** A small generator with state, for one image: its start is drawn by (seed, image), so images do not depend on order. */
function generator(seed: number, image: number) {
  let state = Math.floor(random(seed, image) * 2 ** 32);
  const next = () => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, between: (from: number, to: number) => from + (to - from) * next() };
}
type Generator = ReturnType<typeof generator>;

export function proceduralImage(seed: number, image: number, side = 256): ProceduralImage {
  const rng = generator(seed, image);
  const canvas = new Float32Array(side * side);
  const owner = new Uint8Array(side * side);
  const base = rng.between(10, 220);
  paintGround(canvas, side, rng, base);

  const count = 2 + Math.floor(rng.next() * 7);
  // Half of the images have one large object under the others, as an organ lies in a body.
  const nested = rng.next() < 0.5;
  for (let object = 1; object <= count; object++) {
    const large = nested && object === 1;
    const radius = large ? rng.between(0.3, 0.48) * side : side * 0.014 * 26 ** rng.next();
    const centre = large
      ? [rng.between(0.4, 0.6) * side, rng.between(0.4, 0.6) * side]
      : [rng.next() * side, rng.next() * side];
    const outline = rng.next() < 0.75 ? blob(rng, centre, radius) : rectangle(rng, centre, radius);
    paintObject(canvas, owner, side, outline, object, rng);
  }
  const blurs = Math.floor(rng.next() * 3);
  for (let i = 0; i < blurs; i++) blur(canvas, side);
  return { pixels: addNoise(canvas, rng), masks: visibleMasks(owner, count) };
}

type Point = readonly number[];

/** A star-shaped outline: a radius that varies smoothly with the angle, stretched and turned. */
function blob(rng: Generator, [cx, cy]: Point, radius: number): Point[] {
  const waves = Array.from({ length: 4 }, (_, k) => ({
    amplitude: rng.between(0, 0.3 / (k + 1)),
    phase: rng.between(0, 2 * Math.PI),
  }));
  const stretch = rng.between(0.5, 1);
  const turn = rng.between(0, Math.PI);
  return Array.from({ length: 64 }, (_, i) => {
    const angle = (i / 64) * 2 * Math.PI;
    const r =
      radius *
      waves.reduce((total, { amplitude, phase }, k) => total + amplitude * Math.cos((k + 2) * angle + phase), 1);
    const [x, y] = [r * Math.cos(angle), r * stretch * Math.sin(angle)];
    return [cx! + x * Math.cos(turn) - y * Math.sin(turn), cy! + x * Math.sin(turn) + y * Math.cos(turn)];
  });
}

function rectangle(rng: Generator, [cx, cy]: Point, radius: number): Point[] {
  const [a, b] = [radius, radius * rng.between(0.3, 1)];
  const turn = rng.next() < 0.5 ? 0 : rng.between(0, Math.PI);
  return [
    [-a, -b],
    [a, -b],
    [a, b],
    [-a, b],
  ].map(([x, y]) => [cx! + x! * Math.cos(turn) - y! * Math.sin(turn), cy! + x! * Math.sin(turn) + y! * Math.cos(turn)]);
}

/** A smooth random field: a coarse grid of values in -1..1, read between its nodes. */
function texture(rng: Generator, side: number, cells: number): (x: number, y: number) => number {
  const grid = Float32Array.from({ length: (cells + 2) ** 2 }, () => rng.between(-1, 1));
  const scale = cells / side;
  return (x, y) => {
    const [u, v] = [x * scale, y * scale];
    const [i, j] = [Math.floor(u), Math.floor(v)];
    const [p, q] = [u - i, v - j];
    const at = j * (cells + 2) + i;
    const top = grid[at]! * (1 - p) + grid[at + 1]! * p;
    const bottom = grid[at + cells + 2]! * (1 - p) + grid[at + cells + 3]! * p;
    return top * (1 - q) + bottom * q;
  };
}

function paintGround(canvas: Float32Array, side: number, rng: Generator, base: number): void {
  const field = texture(rng, side, 2 + Math.floor(rng.next() * 12));
  const amplitude = rng.between(0, 25);
  const [gx, gy] = [rng.between(-30, 30) / side, rng.between(-30, 30) / side];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) canvas[y * side + x] = base + gx * x + gy * y + amplitude * field(x, y);
  }
}

/** Fills an outline by the even-odd rule, a scan line at a time. */
function paintObject(
  canvas: Float32Array,
  owner: Uint8Array,
  side: number,
  outline: readonly Point[],
  object: number,
  rng: Generator,
): void {
  const under = canvas[clampIndex(outline[0]![1]!, side) * side + clampIndex(outline[0]![0]!, side)]!;
  const contrast = rng.between(18, 140) * (rng.next() < 0.5 ? -1 : 1);
  const level = under + contrast < -20 || under + contrast > 275 ? under - contrast : under + contrast;
  const amplitude = rng.between(0, 18);
  const field = texture(rng, side, 4 + Math.floor(rng.next() * 40));
  const ys = outline.map((point) => point[1]!);
  for (let y = Math.max(0, Math.ceil(Math.min(...ys))); y <= Math.min(side - 1, Math.floor(Math.max(...ys))); y++) {
    const crossings = crossingsAt(outline, y);
    for (let k = 0; k + 1 < crossings.length; k += 2) {
      const last = Math.min(side - 1, Math.floor(crossings[k + 1]!));
      for (let x = Math.max(0, Math.ceil(crossings[k]!)); x <= last; x++) {
        canvas[y * side + x] = level + amplitude * field(x, y);
        owner[y * side + x] = object;
      }
    }
  }
}

function crossingsAt(outline: readonly Point[], y: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < outline.length; i++) {
    const [x0, y0] = outline[i] as [number, number];
    const [x1, y1] = outline[(i + 1) % outline.length] as [number, number];
    if (y0 <= y !== y1 <= y) found.push(x0 + ((y - y0) / (y1 - y0)) * (x1 - x0));
  }
  return found.sort((a, b) => a - b);
}

const clampIndex = (value: number, side: number) => Math.min(side - 1, Math.max(0, Math.round(value)));

/** A 1-2-1 blur in both directions, in place. */
function blur(canvas: Float32Array, side: number): void {
  for (const [step, across] of [
    [1, side],
    [side, 1],
  ] as const) {
    for (let line = 0; line < side; line++) {
      let before = canvas[line * across]!;
      for (let i = 0; i < side; i++) {
        const at = line * across + i * step;
        const here = canvas[at]!;
        const after = i + 1 < side ? canvas[at + step]! : here;
        canvas[at] = (before + 2 * here + after) / 4;
        before = here;
      }
    }
  }
}

/** Adds noise (a sum of three uniforms, near enough to normal) and rounds to uint8. */
function addNoise(canvas: Float32Array, rng: Generator): Uint8Array {
  const sigma = rng.between(0, 14);
  return Uint8Array.from(canvas, (value) => {
    const noise = (rng.next() + rng.next() + rng.next() - 1.5) * 2 * sigma;
    return Math.min(255, Math.max(0, Math.round(value + noise)));
  });
}

function visibleMasks(owner: Uint8Array, count: number): Uint8Array[] {
  const sizes = new Int32Array(count + 1);
  for (const object of owner) sizes[object]!++;
  return Array.from({ length: count }, (_, i) => i + 1)
    .filter((object) => sizes[object]! >= (MIN_VISIBLE * owner.length) / 65536)
    .map((object) => owner.map((value) => (value === object ? 1 : 0)));
}
