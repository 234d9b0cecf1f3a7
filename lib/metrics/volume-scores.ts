import { diagonalMm, type Grid } from './grid.ts';
import { overlap } from './overlap.ts';
import type { SurfaceDefinition } from './surface.ts';
import { averageSurfaceDistanceMm, hausdorffMm, surfaceDice, surfaceDistances } from './surface-distance.ts';

export interface ScoreSetting {
  /** Which surface distances are taken between; null for a grid on which they cannot be (see `VolumeScores`). */
  readonly surface: SurfaceDefinition | null;
  /** Distances at which surfaces count as the same, in mm. */
  readonly tolerancesMm: readonly number[];
}

/**
 * Scores of one structure over a whole volume. Where the surface definition is null, so are distances and `nsd`.
 *
 * Empty masks. Both empty: perfect (overlaps 1, distances and errors 0). One empty: overlaps and `nsd` 0, and every distance
 * is the diagonal of the grid, the largest that two of its voxels can have. A miss stays in means and tests that way, where the
 * references give infinity or nothing, and a mean over the rest would praise a model for what it did not find.
 */
export interface VolumeScores {
  readonly dice: number;
  readonly iou: number;
  readonly precision: number;
  readonly recall: number;
  readonly truthMl: number;
  readonly predictedMl: number;
  /** Predicted less true volume: below 0 is too small. */
  readonly volumeErrorMl: number;
  /** The same in percent of the true volume; 100 where there is none but something was predicted. */
  readonly volumeErrorPercent: number;
  /** Hausdorff distance, its 95th percentile, and the average symmetric surface distance. */
  readonly hdMm: number | null;
  readonly hd95Mm: number | null;
  readonly assdMm: number | null;
  /** Normalised surface Dice at each tolerance. */
  readonly nsd: number[] | null;
}

/** Scores of a prediction against the truth, masks on one grid with x fastest; any non-zero value is foreground. */
export function scoreVolume(
  prediction: Uint8Array,
  truth: Uint8Array,
  grid: Grid,
  { surface, tolerancesMm }: ScoreSetting,
): VolumeScores {
  const { dice, iou, precision, recall, predicted, truth: real } = overlap(prediction, truth);
  const [sx, sy, sz] = grid.spacingMm;
  const ml = (voxels: number): number => (voxels * sx * sy * sz) / 1000;
  const volumes = {
    truthMl: ml(real),
    predictedMl: ml(predicted),
    volumeErrorMl: ml(predicted - real),
    volumeErrorPercent: real > 0 ? (100 * (predicted - real)) / real : predicted > 0 ? 100 : 0,
  };
  const scores = { dice, iou, precision, recall, ...volumes };
  if (surface === null) return { ...scores, hdMm: null, hd95Mm: null, assdMm: null, nsd: null };
  if (predicted === 0 || real === 0) {
    const agree = predicted === real;
    const mm = agree ? 0 : diagonalMm(grid);
    return { ...scores, hdMm: mm, hd95Mm: mm, assdMm: mm, nsd: tolerancesMm.map(() => (agree ? 1 : 0)) };
  }
  const distances = surfaceDistances(prediction, truth, grid, surface)!;
  return {
    ...scores,
    hdMm: hausdorffMm(distances),
    hd95Mm: hausdorffMm(distances, 0.95),
    assdMm: averageSurfaceDistanceMm(distances),
    nsd: tolerancesMm.map((mm) => surfaceDice(distances, mm)),
  };
}
