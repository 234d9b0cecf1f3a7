import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { duration, type PlanHead, planJson, renderPlan, size } from '../../cli/plan-text.ts';
import type { CountedPatient } from '../../lib/plan/data.ts';
import type { Plan } from '../../lib/plan/plan.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const patient = (id: string, slices: number): CountedPatient => ({
  ...{ id, slices, totalSlices: 40, boxes: Array.from({ length: slices }, () => 2), height: 512, width: 512 },
  ...{ filesBytes: 1, volumeBytes: 1, slicesBytes: 1 },
});

const HEAD: PlanHead = {
  ...{ run: 'lungs-0123456789ab', checkpoint: 'sam-nano', device: 'cpu', threads: 2, processor: 'A processor' },
  ...{ epochs: 20, patience: 10, folds: undefined, proposes: false },
};
const PLAN: Plan = {
  parts: { train: [patient('p1', 30), patient('p2', 20)], val: [patient('p3', 25)], test: [patient('p4', 25)] },
  amount: {
    ...{ encodedSlices: 100, imagesPerStep: 8, stepsPerEpoch: 13, steps: 260 },
    ...{ validationSteps: 147, checkpoints: 33, inferSlices: 40 },
    ...{ scoredBoxes: 250, scoredEncodings: 0, proposer: null },
  },
  checkpoint: {
    ...{ inputSize: 256, embeddingShape: [64, 16, 16], maskSize: 64 },
    shapes: new Map([['mask_decoder.weight', [1000, 1000]]]),
  },
  ...{ isMadeUp: false, trainedParameters: 1_000_000, encoderLearns: false },
  measured: { encodeSecondsPerSlice: 0.25, trainSecondsPerStep: 1.5, decodeSecondsPerBox: 0.04, proposer: null },
  ...{ notMeasured: null, peakBytes: 1.5 * GIB },
  seconds: { encode: 25, train: 463.5, propose: 0, evaluate: 10, infer: 10 },
  memory: { weights: 8 * MIB, optimiser: 40 * MIB, images: 3 * MIB, objects: 77 * MIB },
  disk: {
    ...{ files: 100 * MIB, volumes: 200 * MIB, slices: 50 * MIB },
    ...{ embeddings: 3 * MIB, checkpoints: 660 * MIB, weights: 11 * MIB },
  },
};
/** As of data behind an address: nothing that depends on them. */
const AWAY: Plan = { ...PLAN, parts: null, amount: null, seconds: null, memory: null, disk: null };
/** As of a checkpoint of the hub. */
const UNMEASURED: Plan = {
  ...PLAN,
  ...{ measured: null, seconds: null, peakBytes: null, notMeasured: 's3://models/sam is not on this machine' },
};

/** The cells of a table's line, or a sentence as it is. */
const lines = (text: string): string[] =>
  stripVTControlCharacters(text)
    .split('\n')
    .filter((line) => !/^[┌├└]/.test(line))
    .map((line) =>
      line
        .split('│')
        .map((cell) => cell.trim())
        .join('|'),
    );

describe('a plan', () => {
  it('fits a terminal of eighty columns', () => {
    const text = stripVTControlCharacters(renderPlan(HEAD, PLAN, 80));
    const table = text.split('\n').filter((line) => /^[┌│├└]/.test(line));
    assert.equal(Math.max(...table.map((line) => line.length)), 80);
  });

  it('says who trains, what it takes and what the numbers rest on', () => {
    assert.deepEqual(lines(renderPlan(HEAD, PLAN)), [
      'lungs-0123456789ab  sam-nano on cpu, 2 threads (A processor)',
      '|split|patients|slices|boxes|ids|',
      '|train|2|50|100|p1, p2|',
      '|val|1|25|50|p3|',
      '|test|1|25|50|p4|',
      '||estimate|of|',
      '|encode|25 s|100 slices, 0.25 s a slice|',
      '|train|8 min|20 epochs of 13 steps, 1.50 s a step, validation after each epoch|',
      '|evaluate|10 s|250 masks, 0.040 s a mask|',
      '|infer|10 s|at most 40 slices of the unseen volumes|',
      '|embeddings|3.0 MiB|64 x 16 x 16, 0.03 MiB a slice in half precision|',
      '|memory|128 MiB|weights 8.0 MiB, optimiser 40 MiB, images 3.0 MiB, objects 77 MiB|',
      '|store|1.00 GiB|files 100 MiB, volumes 200 MiB, slices 50 MiB, embeddings 3.0 MiB,|',
      '|||checkpoints 660 MiB, weights 11 MiB|',
      'Times are those of made-up slices and steps, measured here and now; a busy machine is slower. Reading, scoring and the report are not in them.',
      'Training ends sooner after 10 epochs without a better validation loss.',
      'Memory is what training holds, of embeddings 1 GiB at most (SAMFLOW_EMBEDDINGS_MEMORY); what the model computes with comes on top.',
      'Measuring took this process to 1.50 GiB.',
      'The store keeps everything; what an earlier run has left there is not made again.',
    ]);
  });

  it('says what one slice and one step take where the data are not here', () => {
    const text = lines(renderPlan(HEAD, AWAY));
    assert.ok(text.includes('|encode|unknown|0.25 s a slice|'));
    assert.ok(text.includes('|train|unknown|1.50 s a step|'));
    assert.ok(text.includes('|store|unknown||'));
    assert.ok(
      text.includes('The data are not here, and a plan downloads nothing: what depends on them is unknown.'),
      text.join('\n'),
    );
  });

  it('says the rest where times are unknown', () => {
    const text = lines(renderPlan(HEAD, UNMEASURED));
    assert.ok(text.includes('|encode|unknown|100 slices|'));
    assert.ok(text.includes('|embeddings|3.0 MiB|64 x 16 x 16, 0.03 MiB a slice in half precision|'));
    assert.ok(text.includes('Times are unknown: s3://models/sam is not on this machine.'));
  });

  it('warns of what an encoder that learns costs, of checkpoints that fill a disk and of a part without boxes', () => {
    const empty = { ...patient('p3', 1), boxes: [0] };
    const text = renderPlan(HEAD, {
      ...PLAN,
      encoderLearns: true,
      disk: { ...PLAN.disk!, checkpoints: 150 * GIB },
      parts: { ...PLAN.parts!, val: [empty] },
    });
    assert.match(
      text,
      /embeddings of training and validation slices cannot be kept.* The training time is an estimate/,
    );
    assert.match(text, /150 GiB of it are checkpoints: raise training\.checkpointEverySteps/);
    assert.match(text, /No box in val: the run would end with TRAINING_NO_SAMPLES/);
    assert.doesNotMatch(renderPlan(HEAD, PLAN), /No box|of it are checkpoints|cannot be kept/);
  });

  it('says what was measured where the checkpoint is not here', () => {
    assert.match(renderPlan(HEAD, { ...PLAN, isMadeUp: true }), /has its shape and made-up weights/);
    assert.doesNotMatch(renderPlan(HEAD, { ...UNMEASURED, isMadeUp: true }), /made-up weights/);
  });

  it('names the first of many patients', () => {
    const many = Array.from({ length: 9 }, (_, at) => patient(`p${at}`, 1));
    const text = renderPlan(HEAD, { ...PLAN, parts: { ...PLAN.parts!, train: many } });
    assert.match(text, /p0, p1, p2, p3, p4, p5 and 3 more/);
  });
});

describe('a plan of a cross-validation', () => {
  it('says how many folds there are, and that the first one is shown', () => {
    for (const [folds, count] of [
      [3, 3],
      ['leave-one-out', 4],
    ] as const) {
      assert.match(
        renderPlan({ ...HEAD, folds }, PLAN),
        new RegExp(`the first of ${count} folds: encoding is done once`),
      );
      assert.equal((planJson({ ...HEAD, folds }, PLAN) as { folds: number }).folds, count);
    }
    const away = { ...PLAN, parts: null };
    assert.match(renderPlan({ ...HEAD, folds: 'leave-one-out' }, away), /one fold for each patient, of which this/);
  });
});

describe('a plan as JSON', () => {
  it('has the units in the keys', () => {
    const { notes, ...json } = planJson(HEAD, PLAN) as { notes: string[] };
    assert.equal(notes.length, 5);
    assert.deepEqual(json, {
      ...{ run: 'lungs-0123456789ab', folds: null },
      device: { name: 'cpu', threads: 2, processor: 'A processor' },
      checkpoint: {
        ...{ name: 'sam-nano', inputPixels: 256, embeddingShape: [64, 16, 16] },
        ...{ parameters: 1_000_000, trainedParametersAtMost: 1_000_000 },
      },
      split: {
        train: { patients: ['p1', 'p2'], slices: 50, boxes: 100 },
        val: { patients: ['p3'], slices: 25, boxes: 50 },
        test: { patients: ['p4'], slices: 25, boxes: 50 },
      },
      ...{ encodeSlices: 100, encodeSecondsPerSlice: 0.25, encodeSeconds: 25 },
      ...{ epochs: 20, trainStepsPerEpoch: 13, trainSteps: 260, trainSecondsPerStep: 1.5, trainSeconds: 463.5 },
      ...{ proposerSteps: null, proposerSeconds: null },
      ...{ evaluateBoxes: 250, decodeSecondsPerBox: 0.04, evaluateSeconds: 10 },
      ...{ inferSlicesAtMost: 40, inferSecondsAtMost: 10 },
      embeddingsGiB: 0.00292969,
      memoryGiB: 0.125,
      memoryPartsGiB: { weights: 0.0078125, optimiser: 0.0390625, images: 0.00292969, objects: 0.0751953 },
      measuringPeakGiB: 1.5,
      diskGiB: 1,
      diskPartsGiB: {
        ...{ files: 0.0976563, volumes: 0.195313, slices: 0.0488281 },
        ...{ embeddings: 0.00292969, checkpoints: 0.644531, weights: 0.0107422 },
      },
    });
  });

  it('has the same keys, and null for what is unknown', () => {
    for (const plan of [AWAY, UNMEASURED, { ...AWAY, ...UNMEASURED, checkpoint: null, trainedParameters: null }]) {
      assert.deepEqual(Object.keys(planJson(HEAD, plan)), Object.keys(planJson(HEAD, PLAN)));
      assert.doesNotMatch(JSON.stringify(planJson(HEAD, plan)), /undefined|NaN/);
    }
    const away = planJson(HEAD, AWAY) as Record<string, unknown>;
    assert.deepEqual(
      [away.split, away.trainSeconds, away.diskGiB, away.encodeSecondsPerSlice],
      [null, null, null, 0.25],
    );
  });
});

it('times and sizes are as exact as an estimate deserves', () => {
  const times = [0.0123, 0.5, 9.94, 12.4, 119, 120, 3000, 7300, 3600 * 47.9, 3600 * 60].map(duration);
  assert.deepEqual(times, [
    ...['0.012 s', '0.50 s', '9.94 s', '12 s', '119 s', '2 min', '50 min', '2 h 02 min', '47 h 54 min', '2.5 days'],
  ]);
  assert.deepEqual([30_000, MIB, 100 * MIB, 1023.9 * MIB, 150 * GIB].map(size), [
    '0.03 MiB',
    '1.0 MiB',
    '100 MiB',
    '1.00 GiB',
    '150 GiB',
  ]);
});
