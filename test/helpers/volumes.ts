import type { BoxSetting } from '../../lib/dataset/prompts.ts';
import { type SliceStack, type SlicesSetting, sliceVolume } from '../../lib/dataset/slices.ts';
import type { PatientVolume } from '../../lib/dataset/volume-record.ts';
import type { Shape3 } from '../../lib/volume/affine.ts';

/** A canonical volume whose values are given by voxel; 1 x 2 x 3 mm. */
export function volumeOf(
  shape: Shape3,
  image: (x: number, y: number, z: number) => number,
  mask?: (x: number, y: number, z: number) => boolean,
): PatientVolume {
  const [nx, ny, nz] = shape;
  const count = nx * ny * nz;
  const place = (at: number) => [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))] as const;
  const voxelToWorld = [1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1];
  return {
    shape,
    image: Int16Array.from({ length: count }, (_, at) => image(...place(at))),
    mask: mask ? Uint8Array.from({ length: count }, (_, at) => (mask(...place(at)) ? 1 : 0)) : null,
    voxelToWorld,
    spacingMm: [1, 2, 3],
    native: {
      kind: 'nifti',
      shape: [...shape],
      voxelToWorld,
      axisCodes: 'RAS',
      datatype: 'int16',
      qformCode: 1,
      sformCode: 1,
    },
    repairs: [],
  };
}

/** A stack of axial slices from grey values by (slice, row, column). */
export function stackOf(
  [count, height, width]: readonly [number, number, number],
  grey: (n: number, y: number, x: number) => number,
  change: Partial<SliceStack> = {},
): SliceStack {
  const area = height * width;
  return {
    pixels: Uint8Array.from({ length: count * area }, (_, at) =>
      grey(Math.floor(at / area), Math.floor(at / width) % height, at % width),
    ),
    masks: null,
    index: Int32Array.from({ length: count }, (_, index) => index),
    height,
    width,
    total: count,
    axis: 'axial',
    window: { lowHu: -1350, highHu: 150 },
    pixelMm: [1, 1],
    ...change,
  };
}

/** A setting with which every slice that has any foreground is kept as it is. */
export const slicing = (change: Partial<SlicesSetting> = {}): SlicesSetting => ({
  ...{ axis: 'auto', window: 'lung', pixels: 'scan', minForegroundPixels: 1, everyNth: 1, negatives: 0 },
  ...change,
});

/** The slices of a volume that is cut in one plane. */
export function oneStack(...how: Parameters<typeof sliceVolume>): SliceStack {
  const [stack, ...others] = sliceVolume(...how);
  if (!stack || others.length > 0) throw new Error('not one plane');
  return stack;
}

/** Tight boxes, one for each component. */
export const boxing = (change: Partial<BoxSetting> = {}): BoxSetting => ({
  ...{ box: 'component', minComponentPixels: 1, padding: 0, paddingPixels: 0, empty: 'none' },
  ...change,
});
