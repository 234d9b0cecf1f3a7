import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeSafetensors, encodeSafetensors, toFloat32 } from '../../../lib/safetensors.ts';
import { decodeTrainingCheckpoint } from '../../../lib/training/checkpoint.ts';
import {
  type FineTuned,
  type FineTuneOptions,
  type FineTuneSettings,
  type FineTuneStatus,
  fineTune,
} from '../../../lib/training/fine-tune.ts';
import { TINY_SETTINGS, tinyModel, tinyPictures, tinySlices } from '../../helpers/tiny-model.ts';

const settings = TINY_SETTINGS;
const options = (more: Partial<FineTuneOptions> = {}): FineTuneOptions => ({
  model: tinyModel(),
  train: tinySlices(10),
  val: tinySlices(5, 40),
  settings,
  session: { threads: 2 },
  ...more,
});

test('training lowers the loss, and the best epoch is the one with the lowest validation loss', async () => {
  const statuses: FineTuneStatus[] = [];
  const result = await fineTune(options({ onStatus: (status) => statuses.push(status) }));
  assert.equal(result.steps, 12);
  assert.ok(result.epochs.at(-1)!.trainLoss < result.epochs[0]!.trainLoss);
  assert.ok(result.epochs.some(({ valLoss }) => valLoss < result.start.valLoss));
  const lowest = result.epochs.reduce((best, epoch) => (epoch.valLoss < best.valLoss ? epoch : best));
  assert.equal(result.bestEpoch, lowest.epoch);
  assert.equal(result.bestValLoss, lowest.valLoss);
  assert.deepEqual(
    statuses.map(({ step }) => step),
    Array.from({ length: 12 }, (_, i) => i + 1),
  );
});

test('a run resumed from any checkpoint, even in mid-epoch, ends with the same bytes (D4)', async () => {
  const kept: { bytes: Uint8Array; step: number }[] = [];
  const whole = await fineTune(options({ onCheckpoint: async (bytes, step) => void kept.push({ bytes, step }) }));
  assert.deepEqual(
    kept.map(({ step }) => step),
    [2, 3, 4, 6, 8, 9, 10, 12],
  );
  for (const { bytes } of kept) {
    const resumed = await fineTune(options({ resume: bytes }));
    assert.deepEqual(resumed.weights, whole.weights);
    assert.deepEqual(resumed.epochs, whole.epochs);
  }
});

test('embeddings that are read when they are wanted give the same bytes, and each is read once for each use', async () => {
  const reads = { train: 0, val: 0 };
  const stored = (part: keyof typeof reads, slices: ReturnType<typeof tinySlices>) =>
    slices.map(({ image, ...slice }) => {
      const read = async () => {
        reads[part] += 1;
        return image as Uint16Array;
      };
      return { ...slice, image: { read } };
    });
  const two = { settings: { ...settings, epochs: 2 } };
  const inMemory = await fineTune(options(two));
  let passes = 0;
  const data = { train: stored('train', tinySlices(10)), val: stored('val', tinySlices(5, 40)) };
  const result = await fineTune(options({ ...two, ...data, onWait: () => passes++ }));
  assert.deepEqual([result.weights, result.epochs], [inMemory.weights, inMemory.epochs]);
  // Two epochs of 10 in three passes of 4; three times 5 in two passes, of which the second repeats its only one.
  assert.deepEqual([reads, passes], [{ train: 2 * 12, val: 3 * 5 }, 2 * 3 + 3 * 2]);
});

test('where no epoch is better than the start, the weights of the start are kept', async () => {
  const worse = { ...settings, learningRate: 0.5, clipNorm: 0, warmupSteps: 0 };
  const result = await fineTune(options({ settings: worse }));
  assert.ok(
    result.epochs.every(({ valLoss }) => valLoss > result.start.valLoss),
    'training did not make it worse',
  );
  assert.equal(result.bestEpoch, 0);
  const { tensors } = decodeSafetensors(result.weights);
  const model = tinyModel();
  for (const [name, tensor] of tensors) assert.deepEqual(toFloat32(tensor), model.tensors.get(name), name);
});

test('another seed gives other weights', async () => {
  const [a, b] = await Promise.all([7, 8].map((seed) => fineTune(options({ settings: { ...settings, seed } }))));
  assert.notDeepEqual(a!.weights, b!.weights);
});

/** Runs until so many passes of the training and of the validation have begun, then aborts; gives what was kept last. */
async function partAt(moment: number, more: Partial<FineTuneOptions>) {
  const controller = new AbortController();
  const signal = controller.signal;
  let [asked, kept, reached] = [0, null as { bytes: Uint8Array; step: number } | null, 0];
  // The signal is looked at between passes, and nowhere else.
  signal.throwIfAborted = () => {
    if (asked++ === moment) controller.abort(new Error('asked to stop'));
    if (signal.aborted) throw signal.reason;
  };
  const parted = fineTune(
    options({
      ...more,
      signal,
      onStatus: ({ step }) => {
        reached = step;
      },
      onCheckpoint: async (bytes, step) => {
        kept = { bytes, step };
      },
    }),
  );
  const ended = await parted.then(
    () => true,
    (error) => {
      assert.match(String(error), /asked to stop/);
      return false;
    },
  );
  return { ended, kept: kept as { bytes: Uint8Array; step: number } | null, reached };
}

/** Every moment of the first; of the others, which are made of more passes, one in so many. */
const PARTINGS: [claim: string, settings: Partial<FineTuneSettings>, oneIn: number][] = [
  ['between steps and while an epoch is scored', {}, 1],
  ['between the passes of a batch', { boxesPerPass: 2 }, 3],
  ['between the batches of an update', { accumulate: 2 }, 2],
  ['between the passes of the batches of an update', { boxesPerPass: 2, accumulate: 2 }, 3],
];
for (const [claim, settingsOf, oneIn] of PARTINGS) {
  test(`an abort ${claim} keeps the last whole step, and who goes on from it ends with the same bytes`, async () => {
    const more = { settings: { ...settings, epochs: 2, checkpointEverySteps: 100, ...settingsOf } };
    const whole = await fineTune(options(more));
    let partings = 0;
    for (let moment = 0; ; moment += oneIn) {
      const { ended, kept, reached } = await partAt(moment, more);
      if (ended) break;
      partings += 1;
      if (reached === 0) continue;
      assert.ok(kept!.step >= reached, `parted at ${reached}, kept ${kept!.step}`);
      const resumed = await fineTune(options({ ...more, resume: kept!.bytes }));
      assert.deepEqual(resumed.weights, whole.weights);
      assert.deepEqual(resumed.epochs, whole.epochs);
      assert.equal(resumed.steps, whole.steps);
    }
    assert.ok(partings >= 6, `${partings} moments`);
  });
}

test('a training that ends sooner or later than planned is the same training up to there', async () => {
  const cosine = { ...settings, epochs: 3, warmupSteps: 0 };
  const kept: { bytes: Uint8Array; epochs: number }[] = [];
  const onCheckpoint = async (bytes: Uint8Array, _: number, epochs: number) => void kept.push({ bytes, epochs });
  const planned = await fineTune(options({ settings: cosine }));
  const longer = await fineTune(options({ settings: cosine, until: 5, onCheckpoint }));
  const sooner = await fineTune(options({ settings: cosine, until: 2 }));
  assert.deepEqual([sooner.epochs.length, planned.epochs.length, longer.epochs.length], [2, 3, 5]);
  assert.deepEqual(longer.epochs.slice(0, 3), planned.epochs);
  assert.deepEqual(planned.epochs.slice(0, 2), sooner.epochs);
  // What comes after the plan goes on at its last rate.
  const rates = longer.epochs.slice(2).map(({ learningRate }) => learningRate);
  assert.deepEqual(
    rates,
    rates.map(() => cosine.learningRate / 10),
  );
  for (const { bytes, epochs } of kept) {
    const resumed = await fineTune(options({ settings: cosine, until: Math.max(2, epochs), resume: bytes }));
    const same = [sooner, planned, null, longer][Math.max(2, epochs) - 2];
    if (same) assert.deepEqual([resumed.weights, resumed.steps], [same.weights, same.steps]);
  }
});

test('a worker that goes keeps no step that gives no number', async () => {
  const wild = { ...settings, learningRate: 1e30, clipNorm: 0, warmupSteps: 0 };
  const { kept } = await partAt(3, { settings: wild });
  assert.equal(kept, null);
});

test('a checkpoint that cannot be kept fails the run', async () => {
  const refuse = async () => {
    throw new Error('the store refused it');
  };
  await assert.rejects(fineTune(options({ onCheckpoint: refuse })), /the store refused it/);
});

test('no samples, a diverging loss and a foreign checkpoint are typed faults', async () => {
  await assert.rejects(fineTune(options({ val: [] })), { code: 'TRAINING_NO_SAMPLES' });
  await assert.rejects(fineTune(options({ settings: { ...settings, learningRate: 1e30, clipNorm: 0 } })), {
    code: 'TRAINING_DIVERGED',
  });
  const kept: Uint8Array[] = [];
  await fineTune(
    options({ settings: { ...settings, epochs: 1 }, onCheckpoint: async (bytes) => void kept.push(bytes) }),
  );
  assert.throws(() => decodeTrainingCheckpoint(kept[0]!, 3), { code: 'CHECKPOINT_MISMATCH' });
  const { tensors } = decodeSafetensors(kept[0]!);
  const size = tensors.get('best')!.shape[0]!;
  const stripped = encodeSafetensors([...tensors]);
  assert.throws(() => decodeTrainingCheckpoint(stripped, size), { code: 'CHECKPOINT_MISMATCH' });
});

test('a run that diverges keeps no checkpoint that diverges at once when it is resumed', async () => {
  // The first update leaves weights that are huge and finite: only the next loss shows what they are.
  const wild = { ...settings, learningRate: 1e30, clipNorm: 0, warmupSteps: 0, checkpointEverySteps: 1 };
  const kept: number[] = [];
  const onCheckpoint = async (_: Uint8Array, step: number) => void kept.push(step);
  await assert.rejects(fineTune(options({ settings: wild, onCheckpoint })), { code: 'TRAINING_DIVERGED' });
  assert.deepEqual(kept, []);
  const oneStep = { ...wild, batchBoxes: 10 };
  await assert.rejects(fineTune(options({ settings: oneStep, onCheckpoint })), (error) => {
    assert.match(String(error), /TRAINING_DIVERGED.*|a validation loss of NaN/);
    return true;
  });
  assert.deepEqual(kept, []);
});

test('validation slices that give no number are refused before the first step', async () => {
  const [first, ...others] = tinySlices(5, 40);
  const image = (first!.image as Uint16Array).slice().fill(0x7e00);
  const val = [{ ...first!, image }, ...others];
  await assert.rejects(fineTune(options({ val })), (error) => {
    assert.match(String(error), /validation before the first step.*loss of NaN.*model\.precision/s);
    return true;
  });
});

const weightsOf = ({ weights }: FineTuned) =>
  new Map([...decodeSafetensors(weights).tensors].map(([name, tensor]) => [name, toFloat32(tensor)]));
const run = (more: Partial<FineTuneSettings>, others: Partial<FineTuneOptions> = {}) =>
  fineTune(options({ settings: { ...settings, ...more }, ...others }));

test('several boxes of a slice in one pass, each once in the scores, however many a slice has', async () => {
  const three = { train: tinySlices(6, 0, 3), val: tinySlices(4, 40, 3) };
  const [apart, together] = [
    await run({ epochs: 1, boxesPerImage: 1 }, three),
    await run({ epochs: 1, boxesPerImage: 2 }, three),
  ];
  assert.equal(apart.steps, Math.ceil(18 / 4));
  assert.equal(together.steps, (6 * 2) / 2);
  assert.ok(Math.abs(apart.start.valLoss - together.start.valLoss) < 1e-6);
  assert.ok(Math.abs(apart.start.valDice - together.start.valDice) < 1e-6);
});

test('a batch in several passes, and a batch made of several, learn as one that goes through at once', async () => {
  const train = tinySlices(8);
  const epoch = (more: Partial<FineTuneSettings>) => run({ epochs: 1, batchBoxes: 4, ...more }, { train });
  const whole = await epoch({ boxesPerPass: 4 });
  const inPasses = await epoch({ boxesPerPass: 2 });
  const accumulated = await epoch({ batchBoxes: 2, accumulate: 2 });
  assert.deepEqual([whole.steps, inPasses.steps, accumulated.steps], [2, 2, 4]);
  for (const other of [inPasses, accumulated]) {
    assert.ok(Math.abs(whole.epochs[0]!.trainLoss - other.epochs[0]!.trainLoss) < 1e-5);
    const [ours, theirs] = [weightsOf(whole), weightsOf(other)];
    for (const [name, values] of ours) {
      // Adam scales the rounding noise of a gradient that is zero up to its step: see the golden README.
      if (name.endsWith('k_proj.bias')) continue;
      const worst = values.reduce((top, x, i) => Math.max(top, Math.abs(x - theirs.get(name)![i]!)), 0);
      assert.ok(worst < 1e-4, `${name}: ${worst}`);
    }
  }
});

test('a run whose batches go in passes, resumed from any checkpoint, ends with the same bytes', async () => {
  const kept: Uint8Array[] = [];
  const more = { epochs: 2, boxesPerPass: 2 } as const;
  const whole = await run(more, { onCheckpoint: async (bytes) => void kept.push(bytes) });
  assert.ok(kept.length > 3);
  assert.ok(!decodeSafetensors(kept[0]!).tensors.has('sum'));
  for (const resume of kept) assert.deepEqual((await run(more, { resume })).weights, whole.weights);
});

test('a run that accumulates, resumed from any checkpoint, ends with the same bytes', async () => {
  const kept: Uint8Array[] = [];
  const more = { epochs: 2, batchBoxes: 2, accumulate: 2, checkpointEverySteps: 1 };
  const whole = await run(more, { onCheckpoint: async (bytes) => void kept.push(bytes) });
  assert.equal(kept.length, 10);
  for (const resume of kept) assert.deepEqual((await run(more, { resume })).weights, whole.weights);
});

test('training ends after so many epochs without a better validation score, and keeps the best', async () => {
  const result = await run({ epochs: 50, patience: 2, learningRate: 0.05, clipNorm: 0, warmupSteps: 0 });
  assert.ok(result.epochs.length < 50, 'it never ran dry');
  assert.equal(result.epochs.length - result.bestEpoch, 2);
  assert.equal(result.steps, result.epochs.length * 3);
});

describe('each loss trains, and the IoU head learns where the loss sees it', () => {
  for (const loss of ['dice-ce', 'dice', 'focal-dice', 'tversky'] as const) {
    test(loss, async () => {
      const result = await run({ loss, epochs: 6 });
      assert.ok(result.epochs.at(-1)!.trainLoss < result.epochs[0]!.trainLoss);
      const learned = [...weightsOf(result).keys()];
      assert.equal(
        learned.some((name) => name.includes('iou_prediction_head')),
        loss === 'focal-dice',
      );
      // Proposals 1 to 3 are not in the loss: their networks stay as they were.
      assert.ok(!learned.some((name) => /hypernetworks_mlps\.[123]/.test(name)));
    });
  }
});

describe('what is trained is a choice', () => {
  const kinds = (result: FineTuned) => [...new Set([...weightsOf(result).keys()].map((name) => name.split('.')[0]))];
  const pictures = { train: tinyPictures(6), val: tinyPictures(4, 40) };
  test('the decoder alone, or with the prompt encoder', async () => {
    assert.deepEqual(kinds(await run({ epochs: 1 })), ['mask_decoder']);
    assert.deepEqual(kinds(await run({ epochs: 1, train: 'decoder-and-prompts' })), ['mask_decoder', 'prompt_encoder']);
  });

  test('everything: the encoder learns from pixels, and the loss falls', async () => {
    const result = await run({ train: 'everything', epochs: 5 }, pictures);
    assert.deepEqual(kinds(result), ['mask_decoder', 'prompt_encoder', 'vision_encoder']);
    assert.ok(result.epochs.at(-1)!.trainLoss < result.epochs[0]!.trainLoss);
  });

  test('low-rank updates of the encoder are merged into its own tensors, and are of that rank', async () => {
    const result = await run({ train: { lora: 2 }, epochs: 3 }, pictures);
    const tuned = weightsOf(result);
    const { tensors, shapes } = tinyModel();
    const changed = [...tuned.keys()].filter((name) => name.startsWith('vision_encoder.'));
    assert.deepEqual(
      changed.map((name) => name.replace(/\d+/, 'N')).filter((name, i, all) => all.indexOf(name) === i),
      ['vision_encoder.layers.N.attn.proj.weight', 'vision_encoder.layers.N.attn.qkv.weight'],
    );
    for (const name of changed) {
      const [rows, columns] = shapes.get(name) as [number, number];
      const update = tuned.get(name)!.map((value, i) => value - tensors.get(name)![i]!);
      const [largest, , third] = singularValues(update, rows, columns);
      assert.ok(largest! > 1e-4, `${name} did not change`);
      assert.ok(third! < 1e-3 * largest!, `${name}: singular values ${largest} and ${third}`);
    }
  });
});

/** The three largest singular values, by power iteration with deflation. */
function singularValues(matrix: Float32Array, rows: number, columns: number): number[] {
  const rest = Float64Array.from(matrix);
  return [0, 1, 2].map(() => {
    let v = Float64Array.from({ length: columns }, (_, i) => Math.sin(i + 1));
    let size = 0;
    const u = new Float64Array(rows);
    for (let k = 0; k < 60; k++) {
      for (let i = 0; i < rows; i++) u[i] = v.reduce((sum, x, j) => sum + x * rest[i * columns + j]!, 0);
      const length = Math.hypot(...u) || 1;
      v = v.map((_, j) => u.reduce((sum, x, i) => sum + (x / length) * rest[i * columns + j]!, 0));
      size = Math.hypot(...v);
      v = v.map((x) => x / (size || 1));
    }
    const length = Math.hypot(...u) || 1;
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) rest[i * columns + j]! -= (size * u[i]! * v[j]!) / length;
    return size;
  });
}

for (const kind of ['points', 'box-and-points'] as const) {
  test(`training by ${kind} learns, resumes to the bit, and its clicks are what the model sees`, async () => {
    const by = { ...settings, kind, positivePoints: 2, negativePoints: 1 };
    const kept: { bytes: Uint8Array; step: number }[] = [];
    const whole = await fineTune(
      options({ settings: by, onCheckpoint: async (bytes, step) => void kept.push({ bytes, step }) }),
    );
    assert.ok(whole.bestValLoss < whole.start.valLoss);
    const resumed = await fineTune(options({ settings: by, resume: kept[3]!.bytes }));
    assert.deepEqual(resumed.weights, whole.weights);
    const fewer = await fineTune(options({ settings: { ...by, negativePoints: 0 } }));
    assert.notDeepEqual(fewer.start, whole.start);
  });
}

test('validation is on the validation patients’ own masks, whatever was trained on last (D1)', async () => {
  const one = { ...settings, epochs: 1, learningRate: 1e-12 };
  const scored = async (more: Partial<FineTuneOptions>) => {
    const { start, epochs } = await fineTune(options({ settings: one, ...more }));
    return [start.valLoss, epochs[0]!.valLoss];
  };
  const usual = await scored({});
  const emptied = (slices: ReturnType<typeof tinySlices>) =>
    slices.map((slice) => ({
      ...slice,
      objects: slice.objects.map(({ box }) => ({ box, mask: new Uint8Array(64 * 64) })),
    }));
  // With next to no learning, other masks to train on change nothing, and other masks to validate on everything.
  const otherTraining = await scored({ train: emptied(tinySlices(10)) });
  for (const at of [0, 1]) assert.ok(Math.abs(otherTraining[at]! - usual[at]!) < 1e-6);
  const otherValidation = await scored({ val: emptied(tinySlices(5, 40)) });
  for (const at of [0, 1]) assert.ok(Math.abs(otherValidation[at]! - usual[at]!) > 0.01);
});
