import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelsPresent } from '../../../lib/dataset/labels-present.ts';

test('the labels of a mask are its values but 0, each once and in order', () => {
  assert.deepEqual(labelsPresent(Uint8Array.of(0, 3, 3, 1, 0, 255, 3, 1)), [1, 3, 255]);
  assert.deepEqual(labelsPresent(Uint8Array.of(2)), [2]);
  assert.deepEqual(labelsPresent(new Uint8Array(4)), []);
});
