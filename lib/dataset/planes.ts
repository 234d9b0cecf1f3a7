import type { Shape3 } from '../volume/affine.ts';

export const SLICE_AXES = ['axial', 'coronal', 'sagittal'] as const;
export type SliceAxis = (typeof SLICE_AXES)[number];

/**
 * Which canonical (RAS+) axis a plane is cut across, and which axes become rows and columns. Images are in radiological
 * display order, which runs against RAS+ in every plane: row 0 is the front (axial) or the head, column 0 the patient's
 * right (axial, coronal) or front (sagittal). So rows and columns are both read from the far end.
 */
const PLANES = {
  sagittal: { slice: 0, row: 2, column: 1 },
  coronal: { slice: 1, row: 2, column: 0 },
  axial: { slice: 2, row: 1, column: 0 },
} as const satisfies Record<SliceAxis, { slice: number; row: number; column: number }>;

/** How the slices of one plane lie in canonical voxels (x fastest). */
export interface Plane {
  readonly axis: SliceAxis;
  /** Of a slice, in voxels. */
  readonly height: number;
  readonly width: number;
  /** Slices of the whole volume. */
  readonly total: number;
  /** Canonical axes. */
  readonly across: number;
  readonly row: number;
  readonly column: number;
  /** From one voxel to the next along each. */
  readonly sliceStride: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** The plane of a volume of this canonical shape [X, Y, Z]. */
export function planeOf(shape: Readonly<Shape3>, axis: SliceAxis): Plane {
  const { slice, row, column } = PLANES[axis];
  const stride = [1, shape[0], shape[0] * shape[1]] as const;
  return {
    axis,
    ...{ height: shape[row], width: shape[column], total: shape[slice] },
    ...{ across: slice, row, column },
    ...{ sliceStride: stride[slice], rowStride: stride[row], columnStride: stride[column] },
  };
}

interface Pixels {
  readonly length: number;
  [index: number]: number;
}

/** Copies the slice at a position [height, width], in image order, into `target` from index `at` on. */
export function cutSlice(plane: Plane, voxels: ArrayLike<number>, position: number, target: Pixels, at = 0): void {
  const { height, width, sliceStride, rowStride, columnStride } = plane;
  let pixel = at;
  for (let row = height - 1; row >= 0; row -= 1) {
    let voxel = position * sliceStride + row * rowStride + (width - 1) * columnStride;
    for (let column = 0; column < width; column += 1) {
      target[pixel] = voxels[voxel]!;
      pixel += 1;
      voxel -= columnStride;
    }
  }
}

/** The inverse of `cutSlice`: puts a slice in image order where it came from. */
export function pasteSlice(plane: Plane, slice: ArrayLike<number>, position: number, voxels: Pixels, at = 0): void {
  const { height, width, sliceStride, rowStride, columnStride } = plane;
  let pixel = at;
  for (let row = height - 1; row >= 0; row -= 1) {
    let voxel = position * sliceStride + row * rowStride + (width - 1) * columnStride;
    for (let column = 0; column < width; column += 1) {
      voxels[voxel] = slice[pixel]!;
      pixel += 1;
      voxel -= columnStride;
    }
  }
}

/** Foreground voxels of each slice of a mask. */
export function foregroundCounts({ across, total }: Plane, mask: Uint8Array, shape: Readonly<Shape3>): Uint32Array {
  const counts = new Uint32Array(total);
  let voxel = 0;
  for (let z = 0; z < shape[2]; z += 1) {
    for (let y = 0; y < shape[1]; y += 1) {
      for (let x = 0; x < shape[0]; x += 1) {
        if (mask[voxel] !== 0) {
          const slice = across === 0 ? x : across === 1 ? y : z;
          counts[slice] = counts[slice]! + 1;
        }
        voxel += 1;
      }
    }
  }
  return counts;
}
