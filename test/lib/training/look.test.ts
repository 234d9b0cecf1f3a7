import assert from 'node:assert/strict';
import { test } from 'node:test';
import { likeness, lookOf } from '../../../lib/training/look.ts';

const CELLS = { height: 4, width: 4, grid: 4 };
/** Half floats: 0, 0.5 and 1. */
const [ZERO, HALF, ONE] = [0, 0x3800, 0x3c00];

/** One channel that is `inside` in the upper left quarter and 0 elsewhere, and a channel of noise that is the same everywhere. */
const embeddingOf = (inside: number): Uint16Array =>
  Uint16Array.from({ length: 32 }, (_, at) => {
    if (at >= 16) return HALF;
    return at % 4 < 2 && at < 8 ? inside : ZERO;
  });
const quarter = Uint8Array.of(1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

test('a mask looks like the mean of its cells, and the rest of the slice like that of the others', () => {
  const look = lookOf(embeddingOf(ONE), quarter, CELLS);
  assert.deepEqual([...look.mask], [1, 0.5]);
  assert.deepEqual([...look.rest], [0, 0.5]);
});

test('padding beside the slice has no part in how it looks', () => {
  const embedding = Uint16Array.from({ length: 16 }, (_, at) => (at < 8 ? ONE : HALF));
  const look = lookOf(embedding, Uint8Array.of(1, 1, 0, 0, 0, 0, 0, 0), { height: 2, width: 4, grid: 4 });
  assert.deepEqual([[...look.mask], [...look.rest]], [[1], [1]]);
});

test('likeness is 1 for the same thing, a half between, and 0 where only the rest is left', () => {
  const reference = lookOf(embeddingOf(ONE), quarter, CELLS);
  const like = (inside: number) => likeness(lookOf(embeddingOf(inside), quarter, CELLS), reference);
  assert.deepEqual([like(ONE), like(HALF), like(ZERO)], [1, 0.5, 0]);
});

test('nothing is like a mask that looks like its rest', () => {
  const plain = lookOf(embeddingOf(ZERO), quarter, CELLS);
  assert.equal(likeness(plain, plain), 0);
});
