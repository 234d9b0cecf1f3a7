import { type Distances, distancesToSites } from './distance-transform.ts';
import { commonRegion, cropMask, type Grid, sizeOf } from './grid.ts';
import { quantile } from './statistics.ts';
import { type SurfaceDefinition, surfaceOf } from './surface.ts';

/** The surface elements of one mask: distance of each to the other mask's surface, and how much it counts. */
export interface SurfaceElements {
  readonly mm: Float64Array;
  /** mm² (`sub-voxel`) or ones (`voxel-edge`). */
  readonly weights: Float64Array;
}

export interface SurfaceDistances {
  readonly definition: SurfaceDefinition;
  readonly fromPrediction: SurfaceElements;
  readonly fromTruth: SurfaceElements;
}

/**
 * Distances between the surfaces of two masks (non-zero is foreground), both ways. Only the region that holds both masks is
 * looked at. Null where one or both are empty: there is no distance to a surface that does not exist.
 */
export function surfaceDistances(
  prediction: Uint8Array,
  truth: Uint8Array,
  { shape, spacingMm }: Grid,
  definition: SurfaceDefinition,
): SurfaceDistances | null {
  const voxels = shape[0] * shape[1] * shape[2];
  if (prediction.length !== voxels || truth.length !== voxels) {
    throw new RangeError(`a grid of ${shape.join(' x ')} got masks of ${prediction.length} and ${truth.length} voxels`);
  }
  const region = commonRegion(prediction, truth, shape);
  if (!region) return null;
  const [predicted, real] = [prediction, truth].map((mask) => {
    const part = cropMask(mask, shape, region);
    return part.includes(1) ? surfaceOf(part, { shape: sizeOf(region), spacingMm }, definition) : null;
  });
  if (!predicted || !real) return null;
  const elements = ({ mm, values }: Distances): SurfaceElements => ({
    mm,
    weights: Float64Array.from(values, (code) => predicted.weights[code]!),
  });
  return {
    definition,
    fromPrediction: elements(distancesToSites(predicted.codes, real.codes, predicted.grid)),
    fromTruth: elements(distancesToSites(real.codes, predicted.codes, predicted.grid)),
  };
}

/**
 * Hausdorff distance in mm; with `share` below 1 its quantile (0.95: HD95), taken in each direction by itself, the larger one
 * given. As the references do it: by area without interpolation (`sub-voxel`), by count with it (`voxel-edge`).
 */
export function hausdorffMm({ definition, fromPrediction, fromTruth }: SurfaceDistances, share = 1): number {
  const quantile = definition === 'sub-voxel' ? quantileByWeight : quantileByCount;
  return Math.max(quantile(fromPrediction, share), quantile(fromTruth, share));
}

/** Average symmetric surface distance in mm: over the elements of both surfaces together. */
export function averageSurfaceDistanceMm({ fromPrediction, fromTruth }: SurfaceDistances): number {
  const sum = ({ mm, weights }: SurfaceElements) => mm.reduce((total, value, at) => total + value * weights[at]!, 0);
  return (sum(fromPrediction) + sum(fromTruth)) / (weightOf(fromPrediction) + weightOf(fromTruth));
}

/** Room for the noise of a spacing that comes out of an oblique affine: two voxels of 1 mm are two millimetres away. */
const TOLERANCE_SLACK = 1e-6;

/** Normalised surface Dice: the share of both surfaces that lies within the tolerance of the other (Nikolov et al. 2018). */
export function surfaceDice({ fromPrediction, fromTruth }: SurfaceDistances, toleranceMm: number): number {
  const limit = toleranceMm * (1 + TOLERANCE_SLACK);
  const within = weightWithin(fromPrediction, limit) + weightWithin(fromTruth, limit);
  return within / (weightOf(fromPrediction) + weightOf(fromTruth));
}

const weightOf = ({ weights }: SurfaceElements): number => weights.reduce((sum, weight) => sum + weight, 0);

function weightWithin({ mm, weights }: SurfaceElements, limit: number): number {
  let sum = 0;
  for (let at = 0; at < mm.length; at += 1) if (mm[at]! <= limit) sum += weights[at]!;
  return sum;
}

/** The smallest distance within which this share of the weight lies, by bisection over the sorted distances. */
function quantileByWeight(elements: SurfaceElements, share: number): number {
  const sorted = elements.mm.slice().sort();
  const wanted = share * weightOf(elements);
  let [low, high] = [0, sorted.length - 1];
  while (share < 1 && low < high) {
    const middle = (low + high) >> 1;
    if (weightWithin(elements, sorted[middle]!) >= wanted) high = middle;
    else low = middle + 1;
  }
  return sorted[high]!;
}

/** As numpy's `percentile`. */
const quantileByCount = ({ mm }: SurfaceElements, share: number): number => quantile(mm.slice().sort(), share);
