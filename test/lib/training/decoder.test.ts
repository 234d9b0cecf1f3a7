import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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
  { embedding: new Uint16Array(), boxes: Array.from({ length: BOXES }, (_, at) => [at, at, at + 8, at + 8]) },
];

describe('masks brought to the slices’ pixels', () => {
  it('leave the event loop to others after each: heartbeats are not held up, however many boxes there are', async () => {
    let turns = 0;
    let next = setImmediate(function turn() {
      turns += 1;
      next = setImmediate(turn);
    });
    await segmentSlices(instantDecoder(), slices, 64, 64);
    clearImmediate(next);
    assert.ok(turns >= BOXES - 1, `${turns} turns of the event loop for ${BOXES} masks`);
  });

  it('are left off where the work is cancelled between two of them', async () => {
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    await assert.rejects(segmentSlices(instantDecoder(), slices, 64, 64, controller.signal), { name: 'AbortError' });
  });
});
