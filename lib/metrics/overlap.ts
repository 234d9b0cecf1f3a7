/** Voxel counts and the scores that follow from them, for one pair of binary masks. */
export interface Overlap {
  /** 2|A∩B| / (|A| + |B|) */
  readonly dice: number;
  /** |A∩B| / |A∪B| */
  readonly iou: number;
  /** |A∩B| / |A|: how much of the prediction is right. */
  readonly precision: number;
  /** |A∩B| / |B|: how much of the truth was found. */
  readonly recall: number;
  /** 1 - ||A| - |B|| / (|A| + |B|): equal sizes give 1, wherever they lie. */
  readonly volumeSimilarity: number;
  readonly predicted: number;
  readonly truth: number;
  readonly intersection: number;
}

/**
 * Overlap of a prediction with the truth; any non-zero value is foreground.
 *
 * Empty masks: both empty is perfect agreement and scores 1 everywhere; one empty scores 0 everywhere. So a score is
 * always a number, a model that rightly finds nothing is rewarded, and one that invents something is not.
 */
export function overlap(prediction: Uint8Array, truth: Uint8Array): Overlap {
  if (prediction.length !== truth.length) {
    throw new RangeError(`masks differ in length: ${prediction.length} and ${truth.length}`);
  }
  let predicted = 0;
  let real = 0;
  let intersection = 0;
  for (let index = 0; index < truth.length; index += 1) {
    const inPrediction = prediction[index] !== 0;
    const inTruth = truth[index] !== 0;
    if (inPrediction) predicted += 1;
    if (inTruth) real += 1;
    if (inPrediction && inTruth) intersection += 1;
  }
  return overlapOfCounts(predicted, real, intersection);
}

/** The scores from counts alone, so that slices can be added up into a volume without keeping their masks. */
export function overlapOfCounts(predicted: number, truth: number, intersection: number): Overlap {
  const counts = { predicted, truth, intersection };
  if (predicted === 0 && truth === 0) {
    return { dice: 1, iou: 1, precision: 1, recall: 1, volumeSimilarity: 1, ...counts };
  }
  if (predicted === 0 || truth === 0) {
    return { dice: 0, iou: 0, precision: 0, recall: 0, volumeSimilarity: 0, ...counts };
  }
  return {
    dice: (2 * intersection) / (predicted + truth),
    iou: intersection / (predicted + truth - intersection),
    precision: intersection / predicted,
    recall: intersection / truth,
    volumeSimilarity: 1 - Math.abs(predicted - truth) / (predicted + truth),
    ...counts,
  };
}
