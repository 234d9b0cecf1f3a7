import { random } from './random.ts';

/** A smooth random field over space: values in [-1, 1], changing over about `cellMm`. */
export type Field = (x: number, y: number, z: number) => number;

/**
 * Value noise: random numbers on a cubic lattice, blended with the smoothstep polynomial. Only + - x /, so that the same
 * seed gives the same bits on every machine. The lattice covers [-halfMm, halfMm] on each axis and repeats its edge outside.
 */
export function latticeNoise(cellMm: number, halfMm: number, seed: number, ...counters: number[]): Field {
  const size = Math.ceil((2 * halfMm) / cellMm) + 2;
  const area = size * size;
  const lattice = Float64Array.from({ length: area * size }, (_, at) => 2 * random(seed, ...counters, at) - 1);
  const last = size - 1.001;
  const locate = (mm: number) => Math.min(Math.max((mm + halfMm) / cellMm, 0), last);
  // Called for every voxel: numbers only, nothing is allocated.
  return (x, y, z) => {
    const [px, py, pz] = [locate(x), locate(y), locate(z)];
    const [i, j, k] = [Math.floor(px), Math.floor(py), Math.floor(pz)];
    const [u, v, w] = [smoothstep(px - i), smoothstep(py - j), smoothstep(pz - k)];
    const near = i + size * j + area * k;
    const far = near + area;
    const nearValue = blend(alongX(lattice, near, u), alongX(lattice, near + size, u), v);
    const farValue = blend(alongX(lattice, far, u), alongX(lattice, far + size, u), v);
    return blend(nearValue, farValue, w);
  };
}

const smoothstep = (t: number) => t * t * (3 - 2 * t);
const blend = (from: number, to: number, share: number) => from + (to - from) * share;
const alongX = (lattice: Float64Array, at: number, share: number) => blend(lattice[at]!, lattice[at + 1]!, share);
