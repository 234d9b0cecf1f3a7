import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { imagesPerPass } from '../../../lib/training/passes.ts';

const settings = (boxesPerImage: number, boxesPerPass: number | 'auto' = 'auto') => ({
  ...{ batchBoxes: 8, boxesPerImage, boxesPerPass },
});
const FULL = { grid: 64 };
const NANO = { grid: 16 };

describe('a pass', () => {
  for (const [claim, images, given, expected] of [
    ['has two boxes at full size', 8, imagesPerPass(8, settings(1), FULL, 'embeddings'), 2],
    ['has one image, however many boxes it has', 2, imagesPerPass(2, settings(4), FULL, 'embeddings'), 1],
    ['has the whole batch at a small input', 8, imagesPerPass(8, settings(1), NANO, 'embeddings'), 8],
    ['has one image at full size where the encoder learns', 8, imagesPerPass(8, settings(1), FULL, 'pixels'), 1],
    ['has several small ones where the encoder learns', 8, imagesPerPass(8, settings(1), NANO, 'pixels'), 8],
    ['is as large as it was asked for', 8, imagesPerPass(8, settings(1, 4), FULL, 'embeddings'), 4],
    ['is a divisor of the batch', 6, imagesPerPass(6, settings(1, 4), FULL, 'embeddings'), 3],
    ['is no larger than the batch', 3, imagesPerPass(3, settings(1, 200), FULL, 'embeddings'), 3],
  ] as const) {
    it(`of ${images} images ${claim}`, () => assert.equal(given, expected));
  }
});
