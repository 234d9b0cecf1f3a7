import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MaskDecoder } from '../../../lib/training/decoder.ts';
import { tinyModel } from '../../helpers/tiny-model.ts';

test('the decoder computes on the device that is asked for, or is refused', async () => {
  await assert.rejects(MaskDecoder.open(tinyModel(), { threads: 1, device: 'cuda:15' }), { code: 'RUNTIME_PROVIDER' });
});

test('a decoder takes boxes, points or both, as it was opened, and points decide what it finds', async () => {
  const model = tinyModel();
  const embedding = Uint16Array.from({ length: 32 * 8 * 8 }, (_, at) => 0x3800 + ((at * 31) % 1024));
  const points = (label: 1 | 0 | -1) => [{ x: 30, y: 40, label }];
  const box = [10, 12, 60, 70];
  for (const shape of [
    { box: false, points: 1 },
    { box: true, points: 1 },
  ]) {
    const decoder = await MaskDecoder.open(model, { threads: 1 }, shape);
    const found = await decoder.predict([1, 0, -1].map((label) => ({ embedding, box, points: points(label as 1) })));
    await decoder.close();
    const [inside, beside, none] = found.map(({ logits }) => logits);
    assert.notDeepEqual(inside, beside);
    assert.notDeepEqual(inside, none);
  }
});
