import type { Affine } from '../volume/affine.ts';
import { gzipDeterministic, writeNifti } from '../volume/nifti-write.ts';
import { type Plane, planeOf, type SliceAxis } from './planes.ts';
import type { SliceStack } from './slices.ts';
import type { PatientVolume } from './volume-record.ts';

/** One slice of a scan as files of its own: gzipped NIfTI of shape [columns, rows, 1] that lie where the slice lies. */
export interface SliceFiles {
  readonly axis: SliceAxis;
  /** Position along the slice axis. */
  readonly index: number;
  /** The scan's own values. */
  readonly image: Uint8Array;
  /** The numbers of the structures; null for a scan without a mask. */
  readonly mask: Uint8Array | null;
}

/** The slices that a run has used, cut out of their volume at its own resolution. The same volume gives the same bytes. */
export function* sliceFiles(volume: PatientVolume, stacks: readonly SliceStack[]): Generator<SliceFiles> {
  for (const { axis, index } of stacks) {
    const plane = planeOf(volume.shape, axis);
    for (const position of index) {
      const file = (voxels: Voxels) =>
        gzipDeterministic(
          writeNifti({
            shape: [plane.width, plane.height, 1],
            voxels: cutOut(plane, voxels, position),
            voxelToWorld: sliceToWorld(plane, volume.voxelToWorld, position),
          }),
        );
      yield { axis, index: position, image: file(volume.image), mask: volume.mask && file(volume.mask) };
    }
  }
}

type Voxels = PatientVolume['image'] | Uint8Array;

/** [columns, rows], columns fastest, both in the direction of the canonical axes. */
function cutOut(
  { width, height, sliceStride, rowStride, columnStride }: Plane,
  voxels: Voxels,
  position: number,
): Voxels {
  const slice = voxels.slice(0, width * height);
  for (let row = 0; row < height; row += 1) {
    const start = position * sliceStride + row * rowStride;
    for (let column = 0; column < width; column += 1) {
      slice[row * width + column] = voxels[start + column * columnStride]!;
    }
  }
  return slice;
}

/** The canonical affine with its axes in the slice's order, begun at the slice. */
function sliceToWorld({ column, row, across }: Plane, voxelToWorld: Affine, position: number): Affine {
  const affine = [...voxelToWorld];
  for (let world = 0; world < 3; world += 1) {
    const at = (axis: number) => voxelToWorld[4 * world + axis]!;
    affine.splice(4 * world, 4, at(column), at(row), at(across), at(3) + position * at(across));
  }
  return affine;
}
