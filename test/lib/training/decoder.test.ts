import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Box } from '../../../lib/dataset/components.ts';
import { type MaskDecoder, segmentSlices } from '../../../lib/training/decoder.ts';
import { tinyModel } from '../../helpers/tiny-model.ts';

const BOXES = 12;

/** Answers at once, as a decoder would that has no thread to wait for: what else takes time is the slices' own pixels. */
function instantDecoder(): MaskDecoder {
  const model = tinyModel();
  const logits = new Float32Array(model.config.maskSize ** 2).fill(1);
  const predict: MaskDecoder['predict'] = async (prompted) => prompted.map(() => ({ logits, iou: 1 }));
  return { model, predict } as MaskDecoder;
}

const slices = [
  {
    ...{ embedding: new Uint16Array(), height: 64, width: 64 },
    boxes: Array.from({ length: BOXES }, (_, at) => ({ box: [at, at, at + 8, at + 8] as Box, label: 1 + (at % 2) })),
  },
];

describe('masks brought to the slices’ pixels', () => {
  it('leave the event loop to others after each: heartbeats are not held up, however many boxes there are', async () => {
    let turns = 0;
    let next = setImmediate(function turn() {
      turns += 1;
      next = setImmediate(turn);
    });
    await segmentSlices(instantDecoder(), slices);
    clearImmediate(next);
    assert.ok(turns >= BOXES - 1, `${turns} turns of the event loop for ${BOXES} masks`);
  });

  it('are left off where the work is cancelled between two of them', async () => {
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    await assert.rejects(segmentSlices(instantDecoder(), slices, controller.signal), { name: 'AbortError' });
  });
});

describe('labels of a slice', () => {
  /** Logits that are the same everywhere, one value for each box. */
  const decoderOf = (...values: number[]): MaskDecoder => {
    const model = tinyModel();
    const logits = (value: number) => new Float32Array(model.config.maskSize ** 2).fill(value);
    const predict: MaskDecoder['predict'] = async () => values.map((value) => ({ logits: logits(value), iou: 1 }));
    return { model, predict } as MaskDecoder;
  };
  const prompted = (...labels: number[]) => ({
    ...{ embedding: new Uint16Array(), height: 4, width: 6 },
    boxes: labels.map((label) => ({ box: [0, 0, 6, 4] as Box, label })),
  });

  it('are those of the surest box, and background where none is above 0', async () => {
    const [found] = await segmentSlices(decoderOf(1, 3, 2), [prompted(1, 2, 1)]);
    assert.deepEqual([new Set(found!.labels), new Set(found!.logits)], [new Set([2]), new Set([3])]);
    const [none] = await segmentSlices(decoderOf(-3, -1), [prompted(1, 2)]);
    assert.deepEqual([new Set(none!.labels), new Set(none!.logits)], [new Set([0]), new Set([-1])]);
  });

  it('are all background on a slice without boxes', async () => {
    const [found] = await segmentSlices(decoderOf(), [prompted()]);
    assert.ok(found!.labels.every((label) => label === 0) && found!.logits.every((logit) => logit === -Infinity));
  });
});
