import assert from 'node:assert/strict';
import { test } from 'node:test';
import { framesOf, packFrames } from '../../../lib/volume/dicom-seg-frames.ts';
import type { Structure } from '../../../lib/volume/label-table.ts';

const STRUCTURES: Structure[] = [
  { label: 4, name: 'a' },
  { label: 9, name: 'b' },
];
/** Two slices of 3 x 1 pixels. */
const LABELS = Uint8Array.of(4, 0, 9, 4, 4, 0);

test('each structure has a frame for each slice that holds it', () => {
  assert.deepEqual(framesOf(LABELS, [3, 1, 2], STRUCTURES), [
    { segment: 1, slice: 0 },
    { segment: 1, slice: 1 },
    { segment: 2, slice: 0 },
  ]);
});

test('a structure that is nowhere has one frame, and labels without a structure none', () => {
  assert.deepEqual(framesOf(LABELS, [3, 1, 2], [{ label: 1, name: 'c' }]), [{ segment: 1, slice: 0 }]);
});

test('frames follow each other without a gap, also within a byte, lowest bit first, to an even length', () => {
  const frames = framesOf(LABELS, [3, 1, 2], STRUCTURES);
  // 100, 110, 001: bits 0, 3, 4 and 8.
  assert.deepEqual([...packFrames(LABELS, [3, 1, 2], STRUCTURES, frames)], [0b00011001, 0b00000001]);
});
