import assert from 'node:assert/strict';
import { test } from 'node:test';
import { probabilityOfLogits } from '../../../lib/sam/post-process.ts';

const LOGITS = Float32Array.of(-200, -3, -1e-9, -0, 0, 1e-30, 1e-9, 3e-8, 1e-7, 2, 200, -Infinity);

test('probabilities are the sigmoid, and above a half exactly where the mask is, however small the logit', () => {
  const probabilities = probabilityOfLogits(LOGITS);
  assert.ok(Math.abs(probabilities[1]! - 0.0474258732) < 1e-8);
  assert.ok(Math.abs(probabilities[9]! - 0.880797078) < 1e-7);
  assert.deepEqual([probabilities[0]! < 1e-30, probabilities[10], probabilities[11]], [true, 1, 0]);
  assert.deepEqual(
    Uint8Array.from(probabilities, (p) => (p > 0.5 ? 1 : 0)),
    Uint8Array.from(LOGITS, (logit) => (logit > 0 ? 1 : 0)),
  );
});
