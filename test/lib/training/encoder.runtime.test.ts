import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ImageEncoder } from '../../../lib/training/encoder.ts';
import { tinyModel } from '../../helpers/tiny-model.ts';

const SIDE = 32;
const slice = (level: number): Uint8Array => new Uint8Array(SIDE * SIDE).map((_, i) => (i * 7 + level) % 251);

for (const precision of ['float32', 'int8'] as const) {
  test(`in ${precision} an embedding does not depend on the slices beside it`, async () => {
    const encoder = await ImageEncoder.open(tinyModel(), { threads: 1, precision });
    const beside = async (neighbour: Uint8Array): Promise<Uint16Array> => {
      const pixels = new Uint8Array(2 * SIDE * SIDE);
      pixels.set(slice(3));
      pixels.set(neighbour, SIDE * SIDE);
      const both = await encoder.encode(pixels, 2, SIDE, SIDE);
      return both.subarray(0, both.length / 2);
    };
    try {
      assert.deepEqual(await beside(slice(90)), await beside(new Uint8Array(SIDE * SIDE).fill(255)));
    } finally {
      await encoder.close();
    }
  });
}
