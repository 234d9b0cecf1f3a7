import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gradients } from '../../../lib/autodiff/gradients.ts';
import { evaluate, expand, input, mul, reshape, type Shape, sumAll, type Value } from '../../../lib/graph/index.ts';
import { type Attention, absorbs, attention, attentionFromImage, attentionToImage } from '../../../lib/sam/layers.ts';

const [IMAGES, PROMPTS, TOKENS, POSITIONS, CHANNELS, HEADS, WIDTH] = [2, 3, 4, 10, 12, 2, 8];
const COUNT = IMAGES * PROMPTS;

/** Inputs and parameters by name; every one has values of its own. */
function setting() {
  const inputs = new Map<string, Value>();
  const ask = (name: string, shape: Shape): Value => {
    const known = inputs.get(name) ?? input(name, 'float32', shape);
    inputs.set(name, known);
    return known;
  };
  const at: Attention = { p: (layer) => (name, shape) => ask(`${layer}.${name}`, shape), heads: HEADS, width: WIDTH };
  const feeds = () =>
    Object.fromEntries(
      [...inputs].map(([name, { shape }], k) => [
        name,
        Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(0.37 * i + k)),
      ]),
    );
  return { inputs, ask, at, feeds };
}

const repeat = (image: Value): Value =>
  reshape(expand(reshape(image, [IMAGES, 1, POSITIONS, CHANNELS]), [IMAGES, PROMPTS, POSITIONS, CHANNELS]), [
    COUNT,
    POSITIONS,
    CHANNELS,
  ]);

describe('attention with its projections on the tokens is the same function, values and gradients', () => {
  const cases = {
    'tokens to image': (ask: ReturnType<typeof setting>['ask'], at: Attention): [Value, Value] => {
      const tokens = ask('tokens', [COUNT, TOKENS, CHANNELS]);
      const [keys, values] = ['keys', 'values'].map((name) => ask(name, [IMAGES, POSITIONS, CHANNELS])) as [
        Value,
        Value,
      ];
      return [attention(at, tokens, repeat(keys), repeat(values)), attentionToImage(at, tokens, keys, values)];
    },
    'image to tokens': (ask: ReturnType<typeof setting>['ask'], at: Attention): [Value, Value] => {
      const image = ask('image', [IMAGES, POSITIONS, CHANNELS]);
      const [keys, values] = ['keys', 'values'].map((name) => ask(name, [COUNT, TOKENS, CHANNELS])) as [Value, Value];
      return [attention(at, repeat(image), keys, values), attentionFromImage(at, image, keys, values)];
    },
  };
  for (const [title, build] of Object.entries(cases)) {
    test(title, () => {
      const { inputs, ask, at, feeds } = setting();
      const [plain, absorbed] = build(ask, at);
      assert.deepEqual(absorbed.shape, plain.shape);
      const weight = ask('weight', plain.shape);
      const wrt = [...inputs.values()];
      const values = [plain, absorbed].flatMap((y) => [y, ...gradients(sumAll(mul(y, weight)), wrt)]);
      const found = evaluate(values, feeds());
      for (let i = 0; i < wrt.length + 1; i++) {
        const [expected, ours] = [found[i]!, found[wrt.length + 1 + i]!];
        const scale = Math.max(1e-3, ...expected.map(Math.abs));
        for (const [k, truth] of expected.entries()) {
          assert.ok(
            Math.abs(ours[k]! - truth) < 1e-10 * scale,
            `${i === 0 ? 'output' : [...inputs.keys()][i - 1]} ${k}`,
          );
        }
      }
    });
  }
});

test('it is used where tokens are few enough to take fewer products', () => {
  const { at } = setting();
  assert.ok(absorbs({ ...at, heads: 8, width: 128 }, 7));
  assert.ok(!absorbs({ ...at, heads: 8, width: 128 }, 16));
});
