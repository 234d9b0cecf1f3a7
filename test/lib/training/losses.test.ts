import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { gradients } from '../../../lib/autodiff/gradients.ts';
import { add, evaluate, input, meanAll } from '../../../lib/graph/index.ts';
import {
  binaryCrossEntropy,
  dice,
  diceCrossEntropy,
  diceSquared,
  focal,
  LOSSES,
  type MaskLoss,
  meanOf,
  overlapEach,
  tversky,
} from '../../../lib/training/losses.ts';

interface Reference {
  value: number;
  grad_sum: number;
  grad_abs_sum: number;
  grad_first16: number[];
}
const references = JSON.parse(
  readFileSync(new URL('../../fixtures/imaging/losses.json', import.meta.url), 'utf8'),
) as Record<string, Reference>;

/** The inputs that the note in losses.json states. */
const logits = Float64Array.from({ length: 2 * 32 * 32 }, (_, k) => 3 * Math.sin(0.37 * k));
const disk = (i: number, j: number) => ((i - 14) ** 2 + (j - 17) ** 2 < 81 ? 1 : 0);
const targets = Float64Array.from({ length: 2 * 32 * 32 }, (_, k) => {
  const [i, j] = [Math.floor(k / 32) % 32, k % 32];
  return k < 1024 ? disk(i, j) : disk(31 - i, j);
});

describe('losses and their gradients agree with MONAI', () => {
  const cases: [string, MaskLoss][] = [
    ['dice', dice],
    ['dice_squared', diceSquared],
    ['bce', binaryCrossEntropy],
    ['dice_ce', (x, y) => add(dice(x, y), binaryCrossEntropy(x, y))],
    ['dice_ce_squared', diceCrossEntropy],
    ['focal', focal],
    ['dice_focal', (x, y) => add(diceSquared(x, y), focal(x, y))],
    ['tversky', tversky],
  ];
  for (const [name, loss] of cases) {
    test(name, () => {
      const reference = references[name]!;
      const x = input('x', 'float32', [2, 1, 32, 32]);
      const value = meanOf(loss)(x, input('y', 'float32', [2, 1, 32, 32]));
      const [found, gradient] = evaluate([value, gradients(value, [x])[0]!], { x: logits, y: targets });
      // MONAI computes its focal loss in float32, whatever it is given.
      const tolerance = name.includes('focal') ? 1e-6 : 1e-9;
      const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < tolerance, `${a} against ${b}`);
      near(found![0]!, reference.value);
      near(
        gradient!.reduce((a, b) => a + b, 0),
        reference.grad_sum,
      );
      near(
        gradient!.reduce((a, b) => a + Math.abs(b), 0),
        reference.grad_abs_sum,
      );
      for (const [i, expected] of reference.grad_first16.entries()) near(gradient![i]!, expected);
    });
  }
});

test('focal-dice is 20 focal, 1 Dice and the squared error of the predicted IoU', () => {
  const shape = [2, 1, 32, 32];
  const [x, y, iou] = [input('x', 'float32', shape), input('y', 'float32', shape), input('iou', 'float32', [2])];
  const truth = overlapEach(x, y).iou;
  const values = { x: logits, y: targets, iou: Float64Array.of(0.9, 0.1) };
  const [total, overlap] = evaluate([meanAll(LOSSES['focal-dice'](x, y, iou)), truth], values);
  const error = ((0.9 - overlap![0]!) ** 2 + (0.1 - overlap![1]!) ** 2) / 2;
  const expected = 20 * references.focal!.value + references.dice!.value + error;
  assert.ok(Math.abs(total![0]! - expected) < 5e-6, `${total![0]} against ${expected}`);
});
