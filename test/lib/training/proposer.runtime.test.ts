import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Box } from '../../../lib/dataset/components.ts';
import { boxesOf } from '../../../lib/dataset/prompts.ts';
import { random } from '../../../lib/dataset/random.ts';
import { decodeSafetensors } from '../../../lib/safetensors.ts';
import { ImageEncoder } from '../../../lib/training/encoder.ts';
import { Proposer } from '../../../lib/training/proposer.ts';
import { boxIou, exactly } from '../../../lib/training/proposer-boxes.ts';
import { type ProposerSlice, type ProposerTraining, trainProposer } from '../../../lib/training/train-proposer.ts';
import { nanoModel } from '../../helpers/nano-model.ts';
import { tinyModel } from '../../helpers/tiny-model.ts';

const MODE = { box: 'component', minComponentPixels: 16 } as const;
const session = { threads: 1 };
const [HEIGHT, WIDTH] = [96, 128];

/** Slices with a bright disc (1) and a dark one (2) at places drawn by number; every fourth has none. */
async function discSlices(encoder: ImageEncoder, count: number, first: number): Promise<ProposerSlice[]> {
  const slices: ProposerSlice[] = [];
  for (let n = first; n < first + count; n++) {
    const drawn = (from: number, to: number, which: number) => from + (to - from) * random(5, n, which);
    const discs =
      n % 4 === 3 ? [] : [0, 1].map((k) => ({ x: drawn(16, 112, k), y: drawn(16, 80, k + 2), r: drawn(8, 15, k + 4) }));
    const labels = new Uint8Array(HEIGHT * WIDTH);
    const pixels = new Uint8Array(HEIGHT * WIDTH);
    for (let at = 0; at < labels.length; at++) {
      const [x, y] = [(at % WIDTH) + 0.5, Math.floor(at / WIDTH) + 0.5];
      labels[at] = 1 + discs.findIndex((disc) => Math.hypot(x - disc.x, y - disc.y) < disc.r);
      pixels[at] = [100, 190, 30][labels[at]!]! + ((at * 7919 + n * 31) % 17) - 8;
    }
    const embedding = await encoder.encode(pixels, 1, HEIGHT, WIDTH);
    slices.push({ embedding, height: HEIGHT, width: WIDTH, axis: 'axial', position: 0.5, labels });
  }
  return slices;
}

/** Mean IoU of each true box with the nearest proposed one, and proposed boxes on slices without a disc. */
function scored(slices: readonly ProposerSlice[], boxesAt: (slice: number, k: number) => readonly Readonly<Box>[]) {
  const ious: number[] = [];
  let onEmpty = 0;
  for (const [at, { labels, height, width }] of slices.entries()) {
    for (const k of [0, 1]) {
      const truth = boxesOf(
        labels.map((label) => Number(label === k + 1)),
        height,
        width,
        exactly(MODE),
      );
      const found = boxesAt(at, k);
      if (truth.length === 0) onEmpty += found.length;
      for (const { box } of truth) ious.push(Math.max(0, ...found.map((other) => boxIou(box, other))));
    }
  }
  return { iou: ious.reduce((sum, iou) => sum + iou, 0) / ious.length, onEmpty };
}

describe('a box proposer', () => {
  it('finds what it has learned on slices that it has not seen, far better than where it mostly was', async () => {
    const model = nanoModel();
    const encoder = await ImageEncoder.open(model, session);
    const [train, val, test] = [
      await discSlices(encoder, 48, 0),
      await discSlices(encoder, 16, 100),
      await discSlices(encoder, 24, 200),
    ];
    await encoder.close();
    const common = { geometry: model.config, structures: 2, seed: 7, mode: MODE, session };
    const { bytes, figures } = await trainProposer({ ...common, train, val });
    const proposer = await Proposer.open(bytes, model.config, session);
    const found = await proposer.propose(test);
    await proposer.close();
    const proposed = scored(test, (at, k) => found[at]![k]!.map(({ box }) => box));
    const prior = scored(test, () => [[16, 16, 112, 80]]);
    assert.ok(proposed.iou > 0.75, `proposed: ${proposed.iou}`);
    assert.ok(prior.iou < 0.2, `prior: ${prior.iou}`);
    assert.ok(proposed.onEmpty <= 2, `boxes on slices without a disc: ${proposed.onEmpty}`);
    assert.ok(figures.valBoxIou > 0.75 && figures.recall > 0.7 && figures.falsePerSlice < 0.5, JSON.stringify(figures));
    for (const { confidence } of found.flat(2)) assert.ok(confidence > 0 && confidence <= 1);
  });
});

/** Embeddings whose first channel says where a square is, for quick trainings. */
function plainSlices(count: number, first: number): ProposerSlice[] {
  return Array.from({ length: count }, (_, i) => {
    const [x, y] = [8 * Math.floor(6 * random(9, first + i, 0)), 8 * Math.floor(6 * random(9, first + i, 1))];
    const labels = new Uint8Array(64 * 64);
    for (let row = y; row < y + 16; row++) labels.fill(1, row * 64 + x, row * 64 + x + 16);
    // 0x3c00 is 1 and 0x3800 a half in half precision.
    const embedding = Uint16Array.from({ length: 32 * 64 }, (__, k) => {
      const isThere = k < 64 && labels[8 * (Math.floor(k / 8) * 64 + (k % 8))] === 1;
      return (isThere ? 0x3c00 : 0x3800) + ((k * 31 + i * 17) % 64);
    });
    return { embedding, height: 64, width: 64, axis: 'axial', position: 0.5, labels };
  });
}

describe('the training of a box proposer', () => {
  const tiny = tinyModel();
  const training: ProposerTraining = {
    geometry: tiny.config,
    structures: 1,
    train: plainSlices(12, 0),
    val: plainSlices(6, 50),
    seed: 7,
    mode: MODE,
    session,
  };
  let bytes: Uint8Array;
  before(async () => {
    ({ bytes } = await trainProposer(training));
  });

  it('gives the same bytes of the same slices and seed, and others of another seed', async () => {
    assert.deepEqual(Buffer.compare((await trainProposer(training)).bytes, bytes), 0);
    assert.notDeepEqual(Buffer.compare((await trainProposer({ ...training, seed: 8 })).bytes, bytes), 0);
  });

  it('puts into its bytes what it needs: parameters, standardisation, rules, structures, format', () => {
    const { tensors, metadata } = decodeSafetensors(bytes);
    const description = JSON.parse(metadata.proposer!);
    assert.ok(['mean', 'deviation', 'embedding.weight', 'output.bias'].every((name) => tensors.has(name)));
    assert.deepEqual(
      { ...description, rules: description.rules.length },
      {
        ...{ format: 1, channels: 32, grid: 8, structures: 1, rules: 1 },
        mode: MODE,
      },
    );
  });

  it('ends by its signal, in training and in proposing', async () => {
    const stop = new AbortController();
    const steps: number[] = [];
    const onStep = (step: number) => {
      steps.push(step);
      if (step === 3) stop.abort(new Error('enough'));
    };
    await assert.rejects(trainProposer({ ...training, onStep, signal: stop.signal }), /enough/);
    assert.deepEqual(steps, [1, 2, 3]);
    const proposer = await Proposer.open(bytes, tiny.config, session);
    await assert.rejects(proposer.propose(training.val, stop.signal), /enough/);
    await proposer.close();
  });

  it('is refused without a structure to learn from', async () => {
    const blank = training.val.map((slice) => ({ ...slice, labels: new Uint8Array(64 * 64) }));
    await assert.rejects(trainProposer({ ...training, val: blank }), {
      code: 'TRAINING_NO_SAMPLES',
      message: /val.*no slice with a structure/,
    });
  });

  it('is of use to its own model alone', async () => {
    await assert.rejects(Proposer.open(bytes, nanoModel().config, session), {
      code: 'PROPOSER_MISMATCH',
      message: /embeddings of 32 channels and 8 x 8 cells.*embeddings of 64 channels and 16 x 16 cells/,
    });
  });
});
