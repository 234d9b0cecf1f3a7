import assert from 'node:assert/strict';
import { it } from 'node:test';
import { packMask, unpackMask } from '../../../lib/dataset/packed-mask.ts';

for (const length of [0, 1, 7, 8, 9, 1000]) {
  it(`a mask of ${length} pixels takes an eighth of a byte each, and comes back as it was`, () => {
    const mask = Uint8Array.from({ length }, (_, at) => ((at * 7919) % 13 < 5 ? 1 : 0));
    const packed = packMask(mask);
    assert.equal(packed.bits.length, Math.ceil(length / 8));
    assert.deepEqual(unpackMask(packed), mask);
    assert.equal(unpackMask(mask), mask);
  });
}
