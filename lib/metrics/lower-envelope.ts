/**
 * The lower envelope of the parabolas (t - v)² s² + heights[v] over whole positions t and v, with s their spacing: which
 * vertex is nearest from each position. Linear time (Felzenszwalb and Huttenlocher 2012).
 */
export class LowerEnvelope {
  readonly spacing: number;
  /** Infinity where there is no parabola. */
  readonly heights: Float64Array;
  /** The vertex of the lowest parabola at each position. */
  readonly nearest: Int32Array;
  /** 1 / (2 s² d), by the distance d of two vertices. */
  readonly #inverse: Float64Array;
  readonly #vertices: Int32Array;
  /** Value of each parabola at position 0. */
  readonly #atZero: Float64Array;
  /** Where each parabola begins to be the lowest. */
  readonly #starts: Float64Array;

  constructor(length: number, spacing: number) {
    this.spacing = spacing;
    this.heights = new Float64Array(length);
    this.nearest = new Int32Array(length);
    this.#inverse = Float64Array.from({ length }, (_, d) => 1 / (2 * spacing * spacing * d));
    this.#vertices = new Int32Array(length);
    this.#atZero = new Float64Array(length);
    this.#starts = new Float64Array(length + 1);
  }

  /** Computes `nearest` from `heights`; false where there is no parabola. */
  fill(): boolean {
    const { heights, nearest } = this;
    const [inverse, vertices, atZero, starts] = [this.#inverse, this.#vertices, this.#atZero, this.#starts];
    const square = this.spacing * this.spacing;
    const length = heights.length;
    let last = -1;
    for (let v = 0; v < length; v += 1) {
      const height = heights[v]!;
      if (height === Number.POSITIVE_INFINITY) continue;
      const value = height + v * v * square;
      let start = Number.NEGATIVE_INFINITY;
      while (last >= 0) {
        start = (value - atZero[last]!) * inverse[v - vertices[last]!]!;
        if (start > starts[last]!) break;
        last -= 1;
      }
      last += 1;
      vertices[last] = v;
      atZero[last] = value;
      starts[last] = last === 0 ? Number.NEGATIVE_INFINITY : start;
    }
    if (last < 0) return false;
    starts[last + 1] = Number.POSITIVE_INFINITY;
    for (let t = 0, k = 0; t < length; t += 1) {
      while (starts[k + 1]! < t) k += 1;
      nearest[t] = vertices[k]!;
    }
    return true;
  }
}
