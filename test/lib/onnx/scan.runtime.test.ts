import assert from 'node:assert/strict';
import { test } from 'node:test';
import { add, input, mul, reshape } from '../../../lib/graph/index.ts';
import { emitScan } from '../../../lib/onnx/scan.ts';
import { Session } from '../../../lib/runtime/session.ts';
import { float32 } from '../../../lib/runtime/tensor.ts';

/** For each row x of [1, N, 2]: 2 x + shift, and x turned over. */
function model(): Uint8Array {
  const x = input('row', 'float32', [2]);
  const shift = input('shift', 'float32', [2]);
  return emitScan({
    outputs: {
      moved: { value: add(mul(x, 2), shift), all: 'y' },
      upright: { value: reshape(x, [2, 1]), all: 'z' },
    },
    slices: { row: 'x' },
    extent: 'N',
  });
}

test('a static graph is run along an axis of any length, with inputs that are the same for each slice', async () => {
  const session = await Session.open(model(), { threads: 1 });
  for (const n of [1, 2, 5]) {
    const x = Float32Array.from({ length: 2 * n }, (_, i) => i);
    const { y, z } = await session.run({ x: float32(x, [1, n, 2]), shift: float32(Float32Array.of(10, 20), [2]) });
    assert.deepEqual(
      [y!.shape, z!.shape],
      [
        [1, n, 2],
        [1, n, 2, 1],
      ],
    );
    assert.deepEqual(
      y!.data,
      x.map((value, i) => 2 * value + (i % 2 === 0 ? 10 : 20)),
    );
    assert.deepEqual(z!.data, x);
  }
  await session.close();
});

test('the same graph gives the same bytes', () => assert.deepEqual(model(), model()));

test('a slice that the graph does not ask for is refused', () => {
  const outputs = { out: { value: mul(input('row', 'float32', [2]), 2), all: 'y' } };
  assert.throws(() => emitScan({ outputs, slices: { box: 'x' }, extent: 'N' }), /no input box/);
});
