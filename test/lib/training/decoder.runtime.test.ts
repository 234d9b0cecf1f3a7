import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MaskDecoder } from '../../../lib/training/decoder.ts';
import { tinyModel } from '../../helpers/tiny-model.ts';

test('the decoder computes on the device that is asked for, or is refused', async () => {
  await assert.rejects(MaskDecoder.open(tinyModel(), { threads: 1, device: 'cuda:15' }), { code: 'RUNTIME_PROVIDER' });
});
