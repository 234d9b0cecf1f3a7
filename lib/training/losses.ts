import {
  add,
  cast,
  div,
  greater,
  mean,
  meanAll,
  mul,
  reshape,
  type Shape,
  scalar,
  sigmoid,
  softplus,
  sub,
  sum,
  type Value,
} from '../graph/index.ts';

/**
 * Losses on mask logits and targets of one shape [N, 1, H, W]; targets lie in 0..1. Definitions are MONAI's, with
 * `sigmoid=True`; each gives a value per mask [N], of which a batch takes the mean.
 */
export type MaskLoss = (logits: Value, targets: Value) => Value;

const SMOOTH = 1e-5;

/** DiceLoss: one minus twice the overlap over the sum of both. */
export const dice: MaskLoss = (logits, targets) => {
  const p = sigmoid(logits);
  return diceOf(logits.shape, mul(p, targets), p, targets);
};

/** DiceLoss(squared_pred=True): the sums are those of squares. */
export const diceSquared: MaskLoss = (logits, targets) => {
  const p = sigmoid(logits);
  return diceOf(logits.shape, mul(p, targets), mul(p, p), mul(targets, targets));
};

function diceOf(shape: Shape, shared: Value, predicted: Value, truth: Value): Value {
  const axes = eachAxes(shape);
  const total = add(sum(predicted, axes), sum(truth, axes));
  const score = div(add(mul(sum(shared, axes), 2), SMOOTH), add(total, SMOOTH));
  return reshape(sub(scalar(1), score), [shape[0]!]);
}

/** Binary cross-entropy with logits: log(1 + exp(x)) - x y never overflows. */
export const binaryCrossEntropy: MaskLoss = (logits, targets) => meanEach(sub(softplus(logits), mul(logits, targets)));

/** DiceCELoss(squared_pred=True): the original recipe's loss. */
export const diceCrossEntropy: MaskLoss = (logits, targets) =>
  add(diceSquared(logits, targets), binaryCrossEntropy(logits, targets));

/** FocalLoss(gamma=2): cross-entropy, weighed by the square of how wrong the pixel is. */
export const focal: MaskLoss = (logits, targets) => {
  const wrong = sigmoid(mul(logits, sub(scalar(1), mul(targets, 2))));
  return meanEach(mul(mul(wrong, wrong), sub(softplus(logits), mul(logits, targets))));
};

/** TverskyLoss(alpha=0.3, beta=0.7): a missed pixel costs more than a false one, for small targets. */
export const tversky: MaskLoss = (logits, targets) => {
  const [alpha, beta] = [0.3, 0.7];
  const axes = eachAxes(logits.shape);
  const p = sigmoid(logits);
  const hits = sum(mul(p, targets), axes);
  const falseHits = sub(sum(p, axes), hits);
  const misses = sub(sum(targets, axes), hits);
  const score = div(add(hits, SMOOTH), add(add(hits, SMOOTH), add(mul(falseHits, alpha), mul(misses, beta))));
  return reshape(sub(scalar(1), score), [logits.shape[0]!]);
};

/** What a training minimises, per mask [N]; `iou` [N] is the model's own estimate of its overlap. */
export type TrainingLoss = (logits: Value, targets: Value, iou: Value) => Value;

export type LossName = 'dice-ce' | 'dice' | 'focal-dice' | 'tversky';

export const LOSSES: Readonly<Record<LossName, TrainingLoss>> = {
  'dice-ce': diceCrossEntropy,
  dice: diceSquared,
  // The proportions of the Segment Anything family: 20 focal, 1 Dice, 1 squared error of the predicted IoU.
  'focal-dice': (logits, targets, iou) =>
    add(
      add(mul(focal(logits, targets), 20), dice(logits, targets)),
      squaredError(iou, overlapEach(logits, targets).iou),
    ),
  tversky,
};

/** Squared difference, element by element. */
export const squaredError = (a: Value, b: Value): Value => {
  const difference = sub(a, b);
  return mul(difference, difference);
};

/** Overlap of thresholded logits with thresholded targets, per mask [N]; two empty masks agree. Not differentiable. */
export function overlapEach(logits: Value, targets: Value): { dice: Value; iou: Value } {
  const axes = eachAxes(logits.shape);
  const predicted = cast(greater(logits, 0), 'float32');
  const truth = cast(greater(targets, 0.5), 'float32');
  const shared = add(sum(mul(predicted, truth), axes), 1e-6);
  const both = add(add(sum(predicted, axes), sum(truth, axes)), 2e-6);
  const each = (x: Value): Value => reshape(x, [logits.shape[0]!]);
  return { dice: each(div(mul(shared, 2), both)), iou: each(div(shared, sub(both, shared))) };
}

/** The mean over a batch, as a scalar. */
export const meanOf =
  (loss: MaskLoss): MaskLoss =>
  (logits, targets) =>
    meanAll(loss(logits, targets));

const meanEach = (x: Value): Value => reshape(mean(x, eachAxes(x.shape)), [x.shape[0]!]);

/** Every axis but the first. */
const eachAxes = (shape: Shape) => shape.map((_, axis) => axis).slice(1);
