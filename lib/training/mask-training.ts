import { meanAll, type Value } from '../graph/index.ts';
import type { SamModel } from '../sam/model.ts';
import { frozenParameters, type Parameters } from '../sam/parameters.ts';
import { LOSSES, type LossName } from './losses.ts';
import { type BatchShape, type ImageInput, maskGraph } from './mask-graph.ts';
import type { OptimiserSettings } from './optimiser.ts';
import { packFlat, type StepDefinition } from './step.ts';
import { type Learner, learner, type Trainable, trainsEncoder } from './trainable.ts';

/** As `training` of the run configuration: what decides the graph of a step. */
export interface StepSettings {
  readonly seed: number;
  readonly train: Trainable;
  readonly loss: LossName;
  readonly optimiser: OptimiserSettings['kind'];
  readonly weightDecay: number;
  readonly clipNorm: number;
  readonly accumulate: number;
}

/** A training of masks: what learns, where it starts, and what a step does. */
export interface MaskTraining {
  readonly learner: Learner;
  /** Values to start from, in the learner's layout. */
  readonly start: Float32Array;
  readonly step: StepDefinition;
}

/** What the slices of a training have to bring. */
export const imageInput = (train: Trainable): ImageInput => (trainsEncoder(train) ? 'pixels' : 'embeddings');

/** Passes of one shape, whose loss is the mean over their boxes; `passes` of them make a batch. */
export function maskTraining(
  model: SamModel,
  { shape, passes }: { readonly shape: BatchShape; readonly passes: number },
  settings: StepSettings,
): MaskTraining {
  const { seed, train, optimiser: kind, weightDecay, clipNorm, accumulate } = settings;
  const loss = (parameters: Parameters): Value => {
    const { logits, target, iou } = maskGraph(parameters, model, shape, imageInput(train));
    return meanAll(LOSSES[settings.loss](logits, target, iou));
  };
  const learned = learner(model, train, seed, loss);
  return {
    learner: learned,
    start: packFlat(learned.layout, learned.start),
    step: {
      layout: learned.layout,
      frozen: frozenParameters(model.tensors),
      build: (parameters) => ({ loss: loss(learned.adapt(parameters)) }),
      optimiser: { kind, weightDecay, clipNorm },
      accumulates: accumulate * passes > 1,
    },
  };
}
