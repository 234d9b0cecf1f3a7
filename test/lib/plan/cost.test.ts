import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CheckpointFacts, findCheckpoint } from '../../../lib/plan/checkpoint.ts';
import {
  amountOf,
  diskOf,
  embeddingBytes,
  memoryOf,
  parametersOf,
  type ScoringShape,
  secondsOf,
  type TrainingShape,
  trainedParametersOf,
} from '../../../lib/plan/cost.ts';
import type { CountedParts, CountedPatient } from '../../../lib/plan/data.ts';
import { Batches } from '../../../lib/training/samples.ts';
import { tinyModel, tinySlices } from '../../helpers/tiny-model.ts';

const patient = (id: string, boxes: number[]): CountedPatient => ({
  ...{ id, boxes, slices: boxes.length, totalSlices: 10, height: 100, width: 50 },
  ...{ filesBytes: 1000, volumeBytes: 20_000, slicesBytes: boxes.length * 10_000 },
});
const PARTS: CountedParts = {
  train: [patient('a', [2, 1, 3]), patient('b', [1])],
  val: [patient('c', [2, 0])],
  test: [patient('d', [1, 1, 1])],
};
const TRAINING: TrainingShape = {
  ...{ train: 'decoder', epochs: 5, batchBoxes: 4, boxesPerImage: 2, accumulate: 1, checkpointEverySteps: 2 },
};
const PLAIN: ScoringShape = { jittered: false, choosesPostProcess: false, proposes: false };
const FACTS: CheckpointFacts = {
  ...{ inputSize: 128, embeddingShape: [32, 8, 8], maskSize: 32 },
  shapes: new Map([
    ['mask_decoder.a.weight', [10, 20]],
    ['prompt_encoder.b.weight', [5]],
    ['vision_encoder.layers.0.attn.qkv.weight', [30, 10]],
    ['vision_encoder.layers.0.attn.proj.weight', [10, 10]],
  ]),
};

describe('the amount of work', () => {
  it('is counted in passes of as many slices as a step takes', () => {
    // Slices of 2, 1, 3 and 1 boxes are 1 + 1 + 2 + 1 pairs, two to a step; validation has one pair.
    assert.deepEqual(amountOf(PARTS, TRAINING, PLAIN), {
      ...{ encodedSlices: 9, imagesPerStep: 2, stepsPerEpoch: 3, steps: 15, inferSlices: 10 },
      // The three boxes of the test patient, by both models.
      ...{ scoredBoxes: 6, scoredEncodings: 0, proposer: null },
      // Once before the first step, and after each of five epochs.
      validationSteps: 6,
      // After 2, 3, 4, 6, 8, 9, 10, 12, 14 and 15 steps.
      checkpoints: 10,
    });
  });

  for (const [objects, batchBoxes, boxesPerImage] of [
    [1, 4, 1],
    [3, 4, 2],
    [5, 64, 4],
  ] as const) {
    it(`has as many steps as the training of 7 slices with ${objects} objects, ${boxesPerImage} of ${batchBoxes} boxes a slice`, () => {
      const batches = new Batches(
        tinySlices(7, 0, objects),
        { batchBoxes, boxesPerImage, boxesPerPass: 'auto' },
        tinyModel(),
      );
      const parts = {
        ...PARTS,
        train: [
          patient(
            'a',
            Array.from({ length: 7 }, () => objects),
          ),
        ],
      };
      const { stepsPerEpoch, imagesPerStep } = amountOf(parts, { ...TRAINING, batchBoxes, boxesPerImage }, PLAIN);
      assert.deepEqual([stepsPerEpoch, imagesPerStep], [batches.perEpoch, batches.images]);
    });
  }

  it('keeps embeddings of the unseen patients only where the encoder learns', () => {
    assert.equal(amountOf(PARTS, { ...TRAINING, train: { lora: 4 } }, PLAIN).encodedSlices, 3);
    assert.equal(amountOf(PARTS, { ...TRAINING, train: 'decoder-and-prompts' }, PLAIN).encodedSlices, 9);
  });
});

describe('what is done on top of the training', () => {
  it('is a second pass over jittered boxes, and one of the fine-tuned model over those of the validation patients', () => {
    const scored = (scoring: Partial<ScoringShape>, train: TrainingShape['train'] = 'decoder') => {
      const { scoredBoxes, scoredEncodings } = amountOf(PARTS, { ...TRAINING, train }, { ...PLAIN, ...scoring });
      return [scoredBoxes, scoredEncodings];
    };
    assert.deepEqual(scored({ jittered: true }), [12, 0]);
    assert.deepEqual(scored({ jittered: true, choosesPostProcess: true }), [14, 0]);
    // Three slices of the test patient for either kind of boxes, and two of the validation patient.
    assert.deepEqual(scored({ jittered: true, choosesPostProcess: true }, 'everything'), [14, 8]);
  });

  it('is the training of a box proposer, on every slice of training and validation', () => {
    const { proposer } = amountOf(PARTS, TRAINING, { ...PLAIN, proposes: true });
    // The least that it makes, a look every 50 steps and one in the end.
    assert.deepEqual(proposer, { steps: 400, slices: 6, looks: 18, choices: 2 });
  });
});

describe('the time', () => {
  const measured = { encodeSecondsPerSlice: 2, trainSecondsPerStep: 0.5, decodeSecondsPerBox: 0.25, proposer: null };
  const amount = amountOf(PARTS, TRAINING, PLAIN);
  const near = (found: number, expected: number) => assert.ok(Math.abs(found - expected) < 1e-9, `${found}`);

  it('is slices and steps by what one takes, and a third of a step for one of validation', () => {
    const { encode, train, infer } = secondsOf(amount, 'decoder', measured);
    assert.deepEqual([encode, infer], [18, 20]);
    near(train, 15 * 0.5 + 6 * (0.5 / 3));
  });

  it('is masks by what one takes, and of a proposer its steps, looks, choices and the slices that it prepares', () => {
    const scoring = { jittered: true, choosesPostProcess: true, proposes: true };
    const all = amountOf(PARTS, TRAINING, scoring);
    const proposer = { perStep: 0.5, perLook: 0.1, perChoice: 2, perSlice: 0.25 };
    const { propose, evaluate } = secondsOf(all, 'decoder', { ...measured, proposer });
    near(propose, 400 * 0.5 + 18 * 0.1 + 2 * 2 + 6 * 0.25);
    near(evaluate, 14 * 0.25);
    assert.equal(secondsOf(amount, 'decoder', measured).propose, 0);
  });

  it('has three encodings for each image of a step where the encoder learns, and one in validation', () => {
    near(secondsOf(amount, 'everything', measured).train, 15 * (0.5 + 2 * 3 * 2) + 6 * (0.5 / 3 + 2 * 2));
  });
});

describe('memory and disk', () => {
  it('hold half-precision embeddings: 2 MiB for 256 x 64 x 64', () => {
    assert.equal(embeddingBytes({ ...FACTS, embeddingShape: [256, 64, 64] }), 2 * 2 ** 20);
  });

  it('hold, while training: weights twice, thirteen vectors of what is trained, embeddings, and a mask and a target a box', () => {
    const { weights, optimiser, images, objects } = memoryOf(PARTS, FACTS, TRAINING);
    assert.deepEqual([weights, optimiser], [2 * 605 * 4, 13 * 200 * 4]);
    assert.equal(images, 6 * 32 * 8 * 8 * 2);
    assert.equal(objects, 9 * ((100 * 50) / 8 + 32 * 32));
  });

  it('hold no more than a gibibyte of embeddings: the others are read from a disk', () => {
    const large = { ...FACTS, embeddingShape: [256, 64, 64] as const };
    const many = { ...PARTS, train: PARTS.train.map((one) => ({ ...one, slices: 4000 })) };
    assert.equal(memoryOf(many, large, TRAINING).images, 2 ** 30);
  });

  it('hold pixels instead of embeddings where the encoder learns, and sums of gradients where they accumulate', () => {
    const { optimiser, images } = memoryOf(PARTS, FACTS, { ...TRAINING, train: 'everything', accumulate: 2 });
    assert.equal(optimiser, 15 * 605 * 4);
    assert.equal(images, 60_000);
  });

  it('keep in the store all that the stages make', () => {
    assert.deepEqual(diskOf(PARTS, FACTS, TRAINING, amountOf(PARTS, TRAINING, PLAIN)), {
      ...{ files: 4000, volumes: 80_000, slices: 90_000 },
      embeddings: 9 * 4096,
      checkpoints: 10 * 4 * 200 * 4,
      weights: (605 + 200) * 4,
    });
  });
});

describe('what is trained', () => {
  it('is the decoder, with the prompts, everything, or the decoder and two thin matrices for each of attention', () => {
    const count = (train: TrainingShape['train']) => trainedParametersOf(FACTS, train);
    assert.deepEqual([count('decoder'), count('decoder-and-prompts'), count('everything')], [200, 205, 605]);
    assert.equal(count({ lora: 3 }), 200 + 3 * (30 + 10) + 3 * (10 + 10));
  });
});

describe('a checkpoint that is not here', () => {
  // The published counts, and 256 values of the positional encoding, which PyTorch counts as a buffer.
  for (const [name, parameters] of [
    ['facebook/sam-vit-base', 93_735_472 + 256],
    ['facebook/sam-vit-large', 312_342_832 + 256],
    ['facebook/sam-vit-huge', 641_090_608 + 256],
    ['wanglab/medsam-vit-base', 93_735_472 + 256],
  ] as const) {
    it(`is known by its name where it is ${name}`, async () => {
      const { facts, model, isMadeUp } = await findCheckpoint(`hf:${name}@main`, 64, 'nowhere');
      assert.deepEqual([facts!.embeddingShape, facts!.inputSize, facts!.maskSize], [[256, 4, 4], 64, 16]);
      assert.equal(parametersOf(facts!), parameters);
      assert.deepEqual([model!.config.imageSize, isMadeUp], [64, true]);
    });
  }

  it('has smaller embeddings at a smaller input', async () => {
    const { facts } = await findCheckpoint('hf:facebook/sam-vit-base', 512, 'nowhere');
    assert.deepEqual([facts!.embeddingShape, facts!.maskSize], [[256, 32, 32], 128]);
  });

  it('is a blank otherwise', async () => {
    for (const name of ['hf:someone/something', 's3://models/sam']) {
      assert.deepEqual(await findCheckpoint(name, undefined, 'nowhere'), {
        ...{ facts: null, model: null, isMadeUp: false },
      });
    }
  });
});
