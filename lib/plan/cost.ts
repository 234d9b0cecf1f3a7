import { EMBEDDINGS_IN_MEMORY } from '../training/embedding.ts';
import type { ProposerSeconds } from '../training/probe-proposer.ts';
import { proposerAmount } from '../training/train-proposer.ts';
import { candidateShapes, type Trainable, trainsEncoder } from '../training/trainable.ts';
import type { CheckpointFacts } from './checkpoint.ts';
import type { CountedParts, CountedPatient } from './data.ts';

/** Of the run configuration's `training`, what decides how much there is to do. */
export interface TrainingShape {
  readonly train: Trainable;
  readonly epochs: number;
  readonly batchBoxes: number;
  readonly boxesPerImage: number;
  readonly accumulate: number;
  readonly checkpointEverySteps: number;
}

/** Of the run configuration, what decides what is done on top of the training. */
export interface ScoringShape {
  /** Boxes are scored a second time, as a hurried reader draws them. */
  readonly jittered: boolean;
  /** Post-processing is chosen on the validation patients. */
  readonly choosesPostProcess: boolean;
  /** A box proposer is trained. */
  readonly proposes: boolean;
}

/** Seconds, measured on this machine. */
export interface Measured {
  readonly encodeSecondsPerSlice: number;
  /** Of the mask decoder: an encoder that learns comes on top. */
  readonly trainSecondsPerStep: number;
  /** From a box to its mask, at the size of the slice. */
  readonly decodeSecondsPerBox: number;
  /** Null where none is trained. */
  readonly proposer: ProposerSeconds | null;
}

/** How often the model is run. */
export interface Amount {
  /** Slices whose embeddings are computed once and kept. */
  readonly encodedSlices: number;
  readonly imagesPerStep: number;
  readonly stepsPerEpoch: number;
  /** Of all epochs; patience may end the training before. */
  readonly steps: number;
  readonly validationSteps: number;
  readonly checkpoints: number;
  /** Masks that are made to be scored, by either model. */
  readonly scoredBoxes: number;
  /** Slices that are encoded for them once more, because the training changed the encoder. */
  readonly scoredEncodings: number;
  /** Slices of the unseen patients' whole volumes. */
  readonly inferSlices: number;
  readonly proposer: ProposerAmount | null;
}

export interface ProposerAmount {
  readonly steps: number;
  /** Slices of training and validation, which are prepared. */
  readonly slices: number;
  /** Slices at which it is looked, all looks together, and those by which boxes are chosen. */
  readonly looks: number;
  readonly choices: number;
}

/** Bytes that training holds at once, beside what the model computes with. */
export interface MemoryBytes {
  readonly weights: number;
  readonly optimiser: number;
  readonly images: number;
  readonly objects: number;
}

/** Bytes that a run leaves in the store. */
export interface DiskBytes {
  readonly files: number;
  readonly volumes: number;
  readonly slices: number;
  readonly embeddings: number;
  readonly checkpoints: number;
  readonly weights: number;
}

export interface Seconds {
  readonly encode: number;
  readonly train: number;
  /** Of the box proposer; 0 where there is none. */
  readonly propose: number;
  /** Masks by both models, in exact boxes and in jittered ones. */
  readonly evaluate: number;
  /** At most: slices on which nothing is looked for are left out. */
  readonly infer: number;
}

const FLOAT32 = 4;
const FLOAT16 = 2;
/** A pass forward, of the three that forward and backward take together. */
const FORWARD_SHARE = 1 / 3;

export function amountOf(parts: CountedParts, training: TrainingShape, scoring: ScoringShape): Amount {
  const { train, epochs, batchBoxes, boxesPerImage, checkpointEverySteps } = training;
  const [groups, held] = [parts.train, parts.val].map((patients) => groupsOf(patients, boxesPerImage)) as [
    number,
    number,
  ];
  const most = (count: number): number => Math.max(1, Math.min(batchBoxes / boxesPerImage, count));
  const stepsPerEpoch = Math.ceil(groups / most(groups));
  const steps = stepsPerEpoch * epochs;
  const encoded = trainsEncoder(train) ? parts.test : Object.values(parts).flat();
  return {
    encodedSlices: sum(encoded, ({ slices }) => slices),
    imagesPerStep: most(groups),
    ...{ stepsPerEpoch, steps },
    validationSteps: Math.ceil(held / most(held)) * (epochs + 1),
    checkpoints: checkpointsOf(steps, stepsPerEpoch, checkpointEverySteps),
    ...scoredOf(parts, train, scoring),
    inferSlices: sum(parts.test, ({ totalSlices }) => totalSlices),
    proposer: scoring.proposes ? proposerOf(parts) : null,
  };
}

/** Both models score the test patients, in each kind of boxes; the fine-tuned one alone the validation patients. */
function scoredOf(
  { val, test }: CountedParts,
  train: Trainable,
  { jittered, choosesPostProcess }: ScoringShape,
): Pick<Amount, 'scoredBoxes' | 'scoredEncodings'> {
  const [kinds, chosenBy] = [jittered ? 2 : 1, choosesPostProcess ? val : []];
  const boxes = ({ boxes }: CountedPatient): number => sum(boxes, (count) => count);
  const slices = ({ slices }: CountedPatient): number => slices;
  return {
    scoredBoxes: 2 * kinds * sum(test, boxes) + sum(chosenBy, boxes),
    scoredEncodings: trainsEncoder(train) ? kinds * sum(test, slices) + sum(chosenBy, slices) : 0,
  };
}

function proposerOf({ train, val }: CountedParts): ProposerAmount {
  const [learned, held] = [train, val].map((patients) => sum(patients, ({ slices }) => slices)) as [number, number];
  const { steps, looks } = proposerAmount(learned);
  return { steps, slices: learned + held, looks: looks * held, choices: held };
}

/** Objects of one slice that go through the decoder together: as many groups as a slice has are passed in an epoch. */
const groupsOf = (patients: readonly CountedPatient[], boxesPerImage: number): number =>
  sum(patients, ({ boxes }) => sum(boxes, (count) => Math.ceil(count / boxesPerImage)));

/** One every so many steps, and one at the end of each epoch; where both fall together it is one. */
function checkpointsOf(steps: number, stepsPerEpoch: number, every: number): number {
  const multiples = (of: number): number => (of > 0 ? Math.floor(steps / of) : 0);
  const both = (stepsPerEpoch * every) / greatestDivisor(stepsPerEpoch, every);
  return multiples(every) + multiples(stepsPerEpoch) - multiples(both);
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/**
 * Seconds by what was measured. A validation step is taken as a pass forward, a third of a training step; an encoder that
 * learns as three encodings of each image in training and one in validation.
 */
export function secondsOf(
  { encodedSlices, imagesPerStep, steps, validationSteps, inferSlices, ...rest }: Amount,
  train: Trainable,
  { encodeSecondsPerSlice, trainSecondsPerStep, decodeSecondsPerBox, proposer }: Measured,
): Seconds {
  const encoder = trainsEncoder(train) ? (imagesPerStep * encodeSecondsPerSlice) / FORWARD_SHARE : 0;
  return {
    encode: encodedSlices * encodeSecondsPerSlice,
    train: (steps + validationSteps * FORWARD_SHARE) * (trainSecondsPerStep + encoder),
    propose: rest.proposer && proposer ? proposerSeconds(rest.proposer, proposer) : 0,
    evaluate: rest.scoredBoxes * decodeSecondsPerBox + rest.scoredEncodings * encodeSecondsPerSlice,
    infer: inferSlices * encodeSecondsPerSlice,
  };
}

const proposerSeconds = (amount: ProposerAmount, { perStep, perSlice, perLook, perChoice }: ProposerSeconds): number =>
  amount.steps * perStep + amount.slices * perSlice + amount.looks * perLook + amount.choices * perChoice;

export function embeddingBytes({ embeddingShape: [channels, height, width] }: CheckpointFacts): number {
  return channels * height * width * FLOAT16;
}

/** Vectors of the trained parameters that are held: five in a step, the best weights, and a checkpoint with what it is made of. */
const heldVectors = (training: TrainingShape): number => 5 + 1 + 2 * savedVectors(training) - 1;
/** Those in a checkpoint: weights, two moments and the best weights, and the sum of gradients where they accumulate. */
const savedVectors = ({ accumulate }: TrainingShape): number => (accumulate > 1 ? 5 : 4);

export function memoryOf(parts: CountedParts, facts: CheckpointFacts, training: TrainingShape): MemoryBytes {
  const learning = [...parts.train, ...parts.val];
  const targetBytes = facts.maskSize ** 2;
  return {
    // The checkpoint, and the session's copy of it.
    weights: 2 * parametersOf(facts) * FLOAT32,
    optimiser: heldVectors(training) * trainedParametersOf(facts, training.train) * FLOAT32,
    images: trainsEncoder(training.train)
      ? sum(learning, ({ slicesBytes }) => slicesBytes)
      : Math.min(
          EMBEDDINGS_IN_MEMORY,
          sum(learning, ({ slices }) => slices * embeddingBytes(facts)),
        ),
    objects: sum(
      learning,
      ({ boxes, height, width }) => sum(boxes, (count) => count) * (Math.ceil((height * width) / 8) + targetBytes),
    ),
  };
}

export function diskOf(
  parts: CountedParts,
  facts: CheckpointFacts,
  training: TrainingShape,
  { encodedSlices, checkpoints }: Amount,
): DiskBytes {
  const patients = Object.values(parts).flat();
  const trained = trainedParametersOf(facts, training.train) * FLOAT32;
  return {
    files: sum(patients, ({ filesBytes }) => filesBytes),
    volumes: sum(patients, ({ volumeBytes }) => volumeBytes),
    slices: sum(patients, ({ slicesBytes }) => slicesBytes),
    embeddings: encodedSlices * embeddingBytes(facts),
    checkpoints: checkpoints * savedVectors(training) * trained,
    weights: parametersOf(facts) * FLOAT32 + trained,
  };
}

export const parametersOf = ({ shapes }: CheckpointFacts): number => sum([...shapes.values()], sizeOf);

/** At most so many: of the parameters asked for, training leaves out those that the loss does not see. */
export const trainedParametersOf = ({ shapes }: CheckpointFacts, train: Trainable): number =>
  sum([...candidateShapes(shapes, train).values()], sizeOf);

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, side) => product * side, 1);

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);
