import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Session } from '../../../lib/runtime/session.ts';
import { float32 } from '../../../lib/runtime/tensor.ts';
import { float16ToFloat32 } from '../../../lib/safetensors.ts';
import { decoderTensors, exportDecoder } from '../../../lib/sam/export-decoder.ts';
import { MaskDecoder } from '../../../lib/training/decoder.ts';
import { tinyModel } from '../../helpers/tiny-model.ts';

const model = tinyModel();
const { config, tensors } = model;
const { grid, maskSize, decoder } = config;

/** Half-precision bits [C, g, g] of values between 0.5 and 1, of either sign. */
const embedding = Uint16Array.from(
  { length: decoder.hidden_size * grid ** 2 },
  (_, i) => 0x3800 + ((i * 31) % 1024) + (i % 3 === 0 ? 0x8000 : 0),
);
const boxesOf = (count: number): number[][] =>
  Array.from({ length: count }, (_, i) => {
    const [x, y] = [(i * 7) % 60, (i * 11) % 50];
    return [x, y, x + 20 + 2 * i, y + 30 + i];
  });

describe('decoder.onnx', () => {
  let session: Session;
  let ours: MaskDecoder;
  before(async () => {
    session = await Session.open(exportDecoder(config, tensors), { threads: 1 });
    ours = await MaskDecoder.open(model, { threads: 1 });
  });
  after(async () => {
    await session.close();
    await ours.close();
  });

  for (const count of [1, 3, 17]) {
    it(`finds in ${count === 1 ? 'one box' : `${count} boxes`} what the mask decoder of the pipeline finds, to 2e-4 of a logit`, async () => {
      const boxes = boxesOf(count);
      const expected = await ours.predict(boxes.map((box) => ({ embedding, box })));
      const { masks, iou_scores: scores } = await session.run({
        image_embeddings: float32(float16ToFloat32(embedding), [1, decoder.hidden_size, grid, grid]),
        boxes: float32(Float32Array.from(boxes.flat()), [1, count, 4]),
      });
      assert.deepEqual(masks!.shape, [1, count, 1, maskSize, maskSize]);
      assert.deepEqual(scores!.shape, [1, count, 1]);
      for (const [i, { logits, iou }] of expected.entries()) {
        const found = (masks!.data as Float32Array).subarray(i * maskSize ** 2, (i + 1) * maskSize ** 2);
        const worst = Math.max(...found.map((value, at) => Math.abs(value - logits[at]!)));
        assert.ok(worst < 2e-4, `box ${i}: ${worst}`);
        assert.ok(Math.abs(Number(scores!.data[i]) - iou) < 1e-5, `box ${i}: ${scores!.data[i]} against ${iou}`);
      }
    });
  }

  it('has the same bytes each time it is made, from the tensors that it asks for and no others', () => {
    const asked = new Map([...decoderTensors(config).keys()].map((name) => [name, tensors.get(name)!] as const));
    assert.ok(asked.size < tensors.size && ![...asked.keys()].some((name) => name.startsWith('vision_encoder')));
    assert.deepEqual(exportDecoder(config, asked), exportDecoder(config, tensors));
  });
});
