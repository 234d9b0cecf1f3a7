import { Fault } from '../fault.ts';
import { type Affine, largestDisplacementMm, type Shape3, voxelSizesMm } from '../volume/affine.ts';
import { canonicalAffine, canonicalShape, orientationOf, toCanonical } from '../volume/orientation.ts';
import type { LabelGroups } from './label-groups.ts';

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
 * Brings a label file onto the scan's canonical grid, by flips and permutation only, and numbers its structures: 1 for the
 * first group of values, 2 for the second, and so on; 0 for everything else. Files of one scan may store their axes in different orders (a DICOM series is LPS, its labels often LAS or RAS): only where the
 * voxels lie counts.
 *
 * Faults: MASK_SHAPE and MASK_AFFINE where it lies elsewhere (geometry is never guessed), MASK_NOT_LABELS, MASK_EMPTY.
 */
export function alignMask(
  source: MaskSource,
  grid: CanonicalGrid,
  labels: LabelGroups,
): { mask: Uint8Array; repairs: string[] } {
  const orientation = orientationOf(source.voxelToWorld);
  const shape = canonicalShape(source.shape, orientation);
  checkShape(source, shape, grid.shape);
  const displacementMm = checkAffine(source, canonicalAffine(source.voxelToWorld, source.shape, orientation), grid);
  const { mask, quirk } = numberStructures(source, labels);
  const repairs = [
    ...(displacementMm > SILENT_MM
      ? [`the mask's affine was moved by ${displacementMm.toPrecision(2)} mm onto the scan's`]
      : []),
    ...(quirk ? [quirk] : []),
  ];
  return { mask: toCanonical(mask, source.shape, orientation, new Uint8Array(mask.length)), repairs };
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

/** Structures by their numbers, in the file's own order, and what was unusual about the file's values. */
function numberStructures(
  { name, voxels }: MaskSource,
  labels: LabelGroups,
): { mask: Uint8Array; quirk: string | null } {
  const counts = countValues(name, voxels);
  const { number, quirk } = numbering(counts, labels);
  if (![...counts.keys()].some((value) => number(value) > 0)) throw emptyMask(name, counts, labels);
  const mask = new Uint8Array(voxels.length);
  let previous = Number.NaN;
  let current = 0;
  for (let index = 0; index < voxels.length; index += 1) {
    const value = voxels[index]!;
    // Labels come in long runs: most voxels repeat the one before.
    if (value !== previous) {
      current = number(value);
      previous = value;
    }
    mask[index] = current;
  }
  return { mask, quirk };
}

function countValues(name: string, voxels: ArrayLike<number>): Map<number, number> {
  const counts = new Map<number, number>();
  let start = 0;
  for (let index = 1; index <= voxels.length; index += 1) {
    const value = voxels[start]!;
    if (index < voxels.length && voxels[index] === value) continue;
    if (!Number.isInteger(value)) throw notLabels(name, value);
    counts.set(value, (counts.get(value) ?? 0) + index - start);
    start = index;
  }
  return counts;
}

/**
 * How tools write a plain mask that is not 0 and 1: bytes of 255, the same read as signed (-1), or -1 for the background.
 * Such a file has one structure, whatever number was asked for.
 */
function numbering(counts: ReadonlyMap<number, number>, labels: LabelGroups) {
  const values = [...counts.keys()];
  const wantsOne = labels === null || (labels.length === 1 && labels[0]!.length === 1 && labels[0]![0] === 1);
  const background = !counts.has(0) && counts.has(-1) && values.length > 1 ? -1 : 0;
  const foreground = values.filter((value) => value !== background);
  const isOdd = foreground.length === 1 && (foreground[0] === 255 || foreground[0] === -1);
  if (wantsOne && (isOdd || background === -1) && (labels === null || foreground.length === 1)) {
    const voxels = foreground.reduce((sum, value) => sum + counts.get(value)!, 0);
    const quirk = `the mask has ${foreground.join(', ')} for foreground and ${background} for background: ${voxels} voxels became 1`;
    return { number: (value: number) => (value === background ? 0 : 1), quirk };
  }
  if (labels === null) return { number: (value: number) => (value === 0 ? 0 : 1), quirk: null };
  const numbers = new Map(labels.flatMap((group, at) => group.map((value) => [value, at + 1] as const)));
  return { number: (value: number) => numbers.get(value) ?? 0, quirk: null };
}

function notLabels(at: string, value: number): Fault {
  return new Fault('MASK_NOT_LABELS', {
    at,
    found: `the value ${value}`,
    expected: 'whole numbers, one for each structure',
    fix: 'Name the label file, not the scan or a probability map',
  });
}

function emptyMask(at: string, counts: ReadonlyMap<number, number>, labels: LabelGroups): Fault {
  const present = [...counts.keys()].sort((a, b) => a - b);
  const shown = present.length > 12 ? `${present.slice(0, 12).join(', ')}, …` : present.join(', ');
  return new Fault('MASK_EMPTY', {
    at,
    found: `no foreground (values in the file: ${shown})`,
    expected: labels ? `voxels with label ${labels.flat().join(' or ')}` : 'voxels other than zero',
    fix: labels ? 'Choose `labels` that the masks have, or leave the patient out' : 'Leave the patient out',
  });
}
