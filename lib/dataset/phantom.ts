import type { Affine, Shape3 } from '../volume/affine.ts';
import { gzipDeterministic, writeNifti } from '../volume/nifti-write.ts';
import { type Anatomy, drawAnatomy } from './phantom-anatomy.ts';
import { random, randomBetween } from './random.ts';

/**
 * Generated chest CTs, so that everything can be tried without a patient or a download: two lungs (label 1), lesions in
 * them (label 2), heart, vessels, airways, ribs, spine, a stomach with air, a table, noise. Files are laid out like the
 * Kaggle set `finding-lungs-in-ct-data`; the same patient count and seed give the same bytes.
 */

/** One scan on a scanner's grid. */
export interface PhantomScan {
  readonly shape: Shape3;
  /** Hounsfield units, first axis fastest. */
  readonly image: Int16Array;
  /** 0 background, 1 lung, 2 lesion. */
  readonly mask: Uint8Array;
  readonly voxelToWorld: Affine;
}

/** What lies round the body in the field of view: air at the sides and in front, the table behind. */
const MARGIN_MM = { side: 20, front: 16, back: 34 };

export interface PhantomFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Files of a whole set, in name order. */
export function phantomFiles(patients: number, seed: number): PhantomFile[] {
  const pairs = Array.from({ length: patients }, (_, index) => phantomPair(index + 1, seed));
  return [...pairs.map(([image]) => image), ...pairs.map(([, mask]) => mask)];
}

/** One patient's image and mask, as files of the set. */
export function phantomPair(patient: number, seed: number): [image: PhantomFile, mask: PhantomFile] {
  const scan = phantomScan(patient, seed);
  const file = (kind: 'IMG' | 'MASK', voxels: Int16Array | Uint8Array): PhantomFile => ({
    path: `3d_images/${kind}_${String(patient).padStart(4, '0')}.nii.gz`,
    bytes: gzipDeterministic(writeNifti({ ...scan, voxels })),
  });
  return [file('IMG', scan.image), file('MASK', scan.mask)];
}

/**
 * One patient's scan. Axes are LPS, as scanners store them; every third patient, from the second, has its axial slices on
 * the first array axis, as that Kaggle set has: only the affine says which axis is which.
 */
export function phantomScan(patient: number, seed: number): PhantomScan {
  const anatomy = drawAnatomy(seed, patient);
  const scan = scanLps(anatomy, patient, seed);
  return patient % 3 === 2 ? axialFirst(scan) : scan;
}

/** Samples the anatomy at voxel centres, x (to the left) fastest, then y (to the back), then z (to the head). */
function scanLps({ body, noiseHu, at }: Anatomy, patient: number, seed: number): PhantomScan {
  const setting = (from: number, to: number, which: number) => randomBetween(from, to, seed, patient, -1, which);
  const pixelMm = setting(3.9, 4.3, 0);
  const sliceMm = setting(8, 9, 1);
  const left = -(body.halfWidthMm + MARGIN_MM.side);
  const front = -(body.halfDepthMm + MARGIN_MM.front);
  const nx = Math.ceil((2 * -left) / pixelMm);
  const ny = Math.ceil((body.halfDepthMm + MARGIN_MM.back - front) / pixelMm);
  const nz = 26 + Math.floor(setting(0, 7, 2));
  const bottom = -((nz - 1) / 2) * sliceMm;

  const image = new Int16Array(nx * ny * nz);
  const mask = new Uint8Array(image.length);
  for (let k = 0; k < nz; k += 1) {
    const noise = sliceNoise(nx, ny, noiseHu, seed, patient, k);
    for (let j = 0; j < ny; j += 1) {
      for (let i = 0; i < nx; i += 1) {
        const voxel = i + nx * (j + ny * k);
        const { hu, label } = at(left + i * pixelMm, front + j * pixelMm, bottom + k * sliceMm);
        image[voxel] = Math.min(Math.max(Math.round(hu + noise[i + nx * j]!), -1024), 3071);
        mask[voxel] = label;
      }
    }
  }
  // The patient lies somewhere in the scanner: world coordinates (RAS+) are not those of the anatomy.
  const offset = [setting(-30, 30, 3), setting(-30, 30, 4), setting(-900, -400, 5)] as const;
  const origin = [-left + offset[0], -front + offset[1], bottom + offset[2]].map((mm) => Math.round(mm * 8) / 8);
  const voxelToWorld = [
    ...[-pixelMm, 0, 0, origin[0]!],
    ...[0, -pixelMm, 0, origin[1]!],
    ...[0, 0, sliceMm, origin[2]!],
    ...[0, 0, 0, 1],
  ];
  return { shape: [nx, ny, nz], image, mask, voxelToWorld };
}

/** The same scan with the head-feet axis first: [z, x, y], codes SLP. */
function axialFirst({ shape: [nx, ny, nz], image, mask, voxelToWorld }: PhantomScan): PhantomScan {
  const move = <T extends Int16Array | Uint8Array>(from: T, to: T): T => {
    let at = 0;
    for (let voxel = 0; voxel < nx * ny; voxel += 1) {
      for (let k = 0; k < nz; k += 1) {
        to[at] = from[voxel + nx * ny * k]!;
        at += 1;
      }
    }
    return to;
  };
  return {
    shape: [nz, nx, ny],
    image: move(image, new Int16Array(image.length)),
    mask: move(mask, new Uint8Array(mask.length)),
    voxelToWorld: [0, 4, 8, 12].flatMap((row) => [2, 0, 1, 3].map((column) => voxelToWorld[row + column]!)),
  };
}

/**
 * Noise of one slice [ny, nx] with the given standard deviation, smoothed with (1 2 1) along both axes: a scanner's noise
 * is not independent from pixel to pixel.
 */
function sliceNoise(nx: number, ny: number, sigma: number, seed: number, patient: number, slice: number): Float64Array {
  const white = Float64Array.from({ length: nx * ny }, (_, at) => nearlyNormal(random(seed, patient, -2, slice, at)));
  const smooth = (from: Float64Array, step: number, position: (at: number) => number, count: number) =>
    from.map((value, at) => {
      const before = position(at) > 0 ? from[at - step]! : value;
      const after = position(at) < count - 1 ? from[at + step]! : value;
      return (before + 2 * value + after) / 4;
    });
  const alongX = smooth(white, 1, (at) => at % nx, nx);
  const both = smooth(alongX, nx, (at) => Math.floor(at / nx), ny);
  // Each (1 2 1) / 4 keeps 6 / 16 of the variance.
  const gain = (sigma * 16) / 6;
  return both.map((value) => value * gain);
}

/**
 * A number with mean 0, variance 1 and nearly the normal distribution from one uniform number: its 52 leading bits as four
 * numbers of 13 bits, added up (Irwin-Hall). No logarithm or cosine, which differ in the last bit between platforms.
 */
function nearlyNormal(uniform: number): number {
  let rest = uniform;
  let sum = 0;
  for (let part = 0; part < 4; part += 1) {
    rest *= 8192;
    const digits = Math.floor(rest);
    sum += (digits + 0.5) / 8192;
    rest -= digits;
  }
  // The sum of four uniforms has mean 2 and variance 1/3.
  return (sum - 2) * Math.sqrt(3);
}
