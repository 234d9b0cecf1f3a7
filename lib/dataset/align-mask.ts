import { Fault } from '../fault.ts';
import { type Affine, largestDisplacementMm, type Shape3, voxelSizesMm } from '../volume/affine.ts';
import { canonicalAffine, canonicalShape, orientationOf, toCanonical } from '../volume/orientation.ts';

/** A label file in its own voxel order. */
export interface MaskSource {
  readonly name: string;
  readonly voxels: ArrayLike<number>;
  readonly shape: Shape3;
  readonly voxelToWorld: Affine;
}

/** The scan's canonical grid. */
export interface CanonicalGrid {
  readonly shape: Shape3;
  readonly voxelToWorld: Affine;
}

/**
 * How far, as a fraction of the smallest voxel size, mask and scan may lie apart and still count as one grid. A twentieth
 * covers affines that were stored in float32 or rounded to some decimals, and is far below what a wrong origin, flip or
 * spacing makes. Whatever is mended within it is recorded.
 */
export const AFFINE_TOLERANCE_VOXELS = 0.05;

/** Displacements below this are the last bits of double arithmetic, not worth a line. */
const SILENT_MM = 1e-6;

/**
 * Brings a label file onto the scan's canonical grid, by flips and permutation only, and makes it binary. Files of one
 * scan may store their axes in different orders (a DICOM series is LPS, its labels often LAS or RAS): only where the
 * voxels lie counts.
 *
 * Faults: MASK_SHAPE and MASK_AFFINE where it lies elsewhere (geometry is never guessed), MASK_NOT_LABELS, MASK_EMPTY.
 */
export function alignMask(
  source: MaskSource,
  grid: CanonicalGrid,
  labels: readonly number[] | null,
): { mask: Uint8Array; repairs: string[] } {
  const orientation = orientationOf(source.voxelToWorld);
  const shape = canonicalShape(source.shape, orientation);
  checkShape(source, shape, grid.shape);
  const displacementMm = checkAffine(source, canonicalAffine(source.voxelToWorld, source.shape, orientation), grid);
  const native = binarise(source, labels);
  const repairs =
    displacementMm > SILENT_MM
      ? [`the mask's affine was moved by ${displacementMm.toPrecision(2)} mm onto the scan's`]
      : [];
  return { mask: toCanonical(native, source.shape, orientation, new Uint8Array(native.length)), repairs };
}

function checkShape(source: MaskSource, shape: Shape3, expected: Shape3): void {
  if (shape.every((size, axis) => size === expected[axis])) return;
  throw new Fault('MASK_SHAPE', {
    at: source.name,
    found: `${shape.join(' x ')} voxels (right-left x front-back x head-feet)`,
    expected: `${expected.join(' x ')}, as the scan`,
    fix: 'Pair the mask with its own scan, or resample it onto the scan',
  });
}

function checkAffine(source: MaskSource, voxelToWorld: Affine, grid: CanonicalGrid): number {
  const displacementMm = largestDisplacementMm(voxelToWorld, grid.voxelToWorld, grid.shape);
  const allowedMm = AFFINE_TOLERANCE_VOXELS * Math.min(...voxelSizesMm(grid.voxelToWorld));
  if (displacementMm <= allowedMm) return displacementMm;
  throw new Fault('MASK_AFFINE', {
    at: source.name,
    found: `voxels that lie up to ${displacementMm.toPrecision(3)} mm from the scan's`,
    expected: `at most ${allowedMm.toPrecision(2)} mm`,
    fix: 'Pair the mask with its own scan, or resample it onto the scan',
  });
}

/** 1 where the value is one of the labels (or, without labels, not zero), in the file's own order. */
function binarise({ name, voxels }: MaskSource, labels: readonly number[] | null): Uint8Array {
  const wanted = labels ? new Set(labels) : null;
  const mask = new Uint8Array(voxels.length);
  const seen = new Set<number>();
  let previous = Number.NaN;
  let inside = 0;
  for (let index = 0; index < voxels.length; index += 1) {
    const value = voxels[index]!;
    // Labels come in long runs: most voxels repeat the one before.
    if (value !== previous) {
      if (!Number.isInteger(value)) throw notLabels(name, value);
      seen.add(value);
      inside = (wanted ? wanted.has(value) : value !== 0) ? 1 : 0;
      previous = value;
    }
    mask[index] = inside;
  }
  const hasForeground = wanted ? [...wanted].some((label) => seen.has(label)) : seen.size > 1 || !seen.has(0);
  if (!hasForeground) throw emptyMask(name, seen, labels);
  return mask;
}

function notLabels(at: string, value: number): Fault {
  return new Fault('MASK_NOT_LABELS', {
    at,
    found: `the value ${value}`,
    expected: 'whole numbers, one for each structure',
    fix: 'Name the label file, not the scan or a probability map',
  });
}

function emptyMask(at: string, seen: ReadonlySet<number>, labels: readonly number[] | null): Fault {
  const present = [...seen].sort((a, b) => a - b);
  const shown = present.length > 12 ? `${present.slice(0, 12).join(', ')}, …` : present.join(', ');
  return new Fault('MASK_EMPTY', {
    at,
    found: `no foreground (values in the file: ${shown})`,
    expected: labels ? `voxels with label ${labels.join(' or ')}` : 'voxels other than zero',
    fix: labels ? 'Choose `labels` that the masks have, or leave the patient out' : 'Leave the patient out',
  });
}
