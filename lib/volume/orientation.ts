import { type Affine, determinant3, multiplyAffines, type Shape3 } from './affine.ts';

/**
 * How voxel axes lie in the patient, and the way to the canonical grid: RAS+ by permuting and flipping axes only. No value
 * is resampled, so the way back is exact.
 */
export interface Orientation {
  /** For each voxel axis: the world axis that it runs along (0 right-left, 1 front-back, 2 head-feet). */
  readonly worldAxis: readonly [number, number, number];
  /** For each voxel axis: whether its index grows towards right, front, head (1) or away from it (-1). */
  readonly direction: readonly [1 | -1, 1 | -1, 1 | -1];
}

const AXIS_LETTERS = ['LR', 'PA', 'IS'] as const;

/**
 * The world axis nearest to each voxel axis, as nibabel's `io_orientation`: the 3 x 3 part, with columns scaled to length
 * one, is replaced by the nearest orthogonal matrix, and each column in turn takes its largest row that is still free.
 * The affine must be finite and invertible.
 */
export function orientationOf(voxelToWorld: Affine): Orientation {
  const nearest = nearestOrthogonal(unitColumns(voxelToWorld));
  const worldAxis: number[] = [];
  const direction: (1 | -1)[] = [];
  for (let axis = 0; axis < 3; axis += 1) {
    let best = -1;
    for (let world = 0; world < 3; world += 1) {
      if (worldAxis.includes(world)) continue;
      if (best < 0 || Math.abs(nearest[world * 3 + axis]!) > Math.abs(nearest[best * 3 + axis]!)) best = world;
    }
    worldAxis.push(best);
    direction.push(nearest[best * 3 + axis]! < 0 ? -1 : 1);
  }
  return {
    worldAxis: worldAxis as [number, number, number],
    direction: direction as [1 | -1, 1 | -1, 1 | -1],
  };
}

/** Letters of the directions in which the voxel indices grow, e.g. `LPS`. */
export function axisCodes({ worldAxis, direction }: Orientation): string {
  return worldAxis.map((world, axis) => AXIS_LETTERS[world]![direction[axis] === 1 ? 1 : 0]!).join('');
}

/** The 3 x 3 part, row-major, with each column divided by its length. */
function unitColumns(m: Affine): number[] {
  const length = [0, 1, 2].map((axis) => Math.hypot(m[axis]!, m[4 + axis]!, m[8 + axis]!));
  return [0, 1, 2].flatMap((row) => [0, 1, 2].map((axis) => m[row * 4 + axis]! / length[axis]!));
}

/** The orthogonal factor of the polar decomposition, by Newton's iteration M ← (M + M⁻ᵀ) / 2 (Higham 1986). */
function nearestOrthogonal(matrix: number[]): number[] {
  let m = matrix;
  for (let step = 0; step < 100; step += 1) {
    const inverse = inverseTranspose3(m);
    const next = m.map((value, at) => (value + inverse[at]!) / 2);
    const change = Math.max(...next.map((value, at) => Math.abs(value - m[at]!)));
    m = next;
    if (change < 1e-15) break;
  }
  return m;
}

/** Inverse transpose of a 3 x 3 matrix: its cofactors over its determinant. */
function inverseTranspose3(m: number[]): number[] {
  const cofactors: number[] = [];
  for (let row = 0; row < 3; row += 1) {
    for (let column = 0; column < 3; column += 1) {
      const [r1, r2] = [(row + 1) % 3, (row + 2) % 3];
      const [c1, c2] = [(column + 1) % 3, (column + 2) % 3];
      cofactors.push(m[r1 * 3 + c1]! * m[r2 * 3 + c2]! - m[r1 * 3 + c2]! * m[r2 * 3 + c1]!);
    }
  }
  const determinant = m[0]! * cofactors[0]! + m[1]! * cofactors[1]! + m[2]! * cofactors[2]!;
  return cofactors.map((value) => value / determinant);
}

/** Shape of the canonical grid. */
export function canonicalShape(shape: Readonly<Shape3>, { worldAxis }: Orientation): Shape3 {
  const result: Shape3 = [0, 0, 0];
  worldAxis.forEach((world, axis) => {
    result[world] = shape[axis]!;
  });
  return result;
}

/** Affine of the canonical grid: that of the native grid after the map from canonical to native indices. */
export function canonicalAffine(voxelToWorld: Affine, shape: Readonly<Shape3>, orientation: Orientation): number[] {
  const canonicalToNative = new Array<number>(16).fill(0);
  canonicalToNative[15] = 1;
  orientation.worldAxis.forEach((world, axis) => {
    canonicalToNative[axis * 4 + world] = orientation.direction[axis]!;
    if (orientation.direction[axis] === -1) canonicalToNative[axis * 4 + 3] = shape[axis]! - 1;
  });
  return multiplyAffines(voxelToWorld, canonicalToNative);
}

/** The same from the other side: by start and strides along the native axes, which canonical voxel each native one becomes. */
export function canonicalWalk(shape: Readonly<Shape3>, orientation: Orientation) {
  const [cx, cy] = canonicalShape(shape, orientation);
  const canonicalStride = [1, cx, cx * cy];
  const stride: Shape3 = [0, 0, 0];
  let start = 0;
  orientation.worldAxis.forEach((world, axis) => {
    stride[axis] = canonicalStride[world]! * orientation.direction[axis]!;
    if (orientation.direction[axis] === -1) start += canonicalStride[world]! * (shape[axis]! - 1);
  });
  return { start, stride };
}

interface WritableVoxels {
  readonly length: number;
  [index: number]: number;
}

/**
 * Walks the canonical grid in its own order (first axis fastest) and tells, by start and strides, which native voxel lies
 * under each canonical one.
 */
function nativeWalk(shape: Readonly<Shape3>, { worldAxis, direction }: Orientation) {
  const nativeStride = [1, shape[0], shape[0] * shape[1]];
  const stride: Shape3 = [0, 0, 0];
  let start = 0;
  worldAxis.forEach((world, axis) => {
    stride[world] = nativeStride[axis]! * direction[axis]!;
    if (direction[axis] === -1) start += nativeStride[axis]! * (shape[axis]! - 1);
  });
  return { start, stride };
}

/** Copies voxels from the native order (first axis fastest) into `target` in canonical order. */
export function toCanonical<T extends WritableVoxels>(
  voxels: ArrayLike<number>,
  shape: Readonly<Shape3>,
  orientation: Orientation,
  target: T,
): T {
  const [nx, ny, nz] = canonicalShape(shape, orientation);
  for (let z = 0; z < nz; z += 1) toCanonicalSlice(voxels, shape, orientation, z, target, z * nx * ny);
  return target;
}

/** One slice of the same: head-feet index `z`, into `target` from index `at` on. For those who need not hold all of it. */
export function toCanonicalSlice(
  voxels: ArrayLike<number>,
  shape: Readonly<Shape3>,
  orientation: Orientation,
  z: number,
  target: WritableVoxels,
  at = 0,
): void {
  const [nx, ny] = canonicalShape(shape, orientation);
  const { start, stride } = nativeWalk(shape, orientation);
  for (let y = 0; y < ny; y += 1) {
    let from = start + z * stride[2] + y * stride[1];
    for (let x = 0; x < nx; x += 1) {
      target[at] = voxels[from]!;
      at += 1;
      from += stride[0];
    }
  }
}

/** Copies voxels from the canonical order back into `target` in native order: the inverse of `toCanonical`. */
export function toNative<T extends WritableVoxels>(
  canonical: ArrayLike<number>,
  shape: Readonly<Shape3>,
  orientation: Orientation,
  target: T,
): T {
  const [nx, ny, nz] = canonicalShape(shape, orientation);
  const { start, stride } = nativeWalk(shape, orientation);
  let at = 0;
  for (let z = 0; z < nz; z += 1) {
    for (let y = 0; y < ny; y += 1) {
      let to = start + z * stride[2] + y * stride[1];
      for (let x = 0; x < nx; x += 1) {
        target[to] = canonical[at]!;
        at += 1;
        to += stride[0];
      }
    }
  }
  return target;
}

/** Whether an affine can be oriented at all: finite, and with three independent axes. */
export function isUsableAffine(voxelToWorld: Affine): boolean {
  if (!voxelToWorld.every(Number.isFinite)) return false;
  const volume = Math.abs(determinant3(voxelToWorld));
  const lengths = [0, 1, 2].map((a) => Math.hypot(voxelToWorld[a]!, voxelToWorld[4 + a]!, voxelToWorld[8 + a]!));
  // Relative to the axes' lengths, so that micrometre voxels are not mistaken for flat ones.
  return volume > 1e-6 * lengths[0]! * lengths[1]! * lengths[2]!;
}
