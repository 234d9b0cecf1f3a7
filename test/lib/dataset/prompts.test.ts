import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Box } from '../../../lib/dataset/components.ts';
import { boxesOf, jitterBox, padBox } from '../../../lib/dataset/prompts.ts';
import { draw, show } from '../../helpers/pictures.ts';
import { boxing } from '../../helpers/volumes.ts';

const lungs = draw('.........', '.##...##.', '.##...##.', '.......#.', '....#....');
const boxes = (box: 'component' | 'label', minComponentPixels = 1) =>
  boxesOf(lungs.mask, lungs.height, lungs.width, boxing({ box, minComponentPixels }));

test('each component has a box and a mask of its own (D5)', () => {
  const [right, left, speck] = boxes('component');
  assert.deepEqual(
    [right, left, speck].map((prompt) => prompt!.box),
    [
      [1, 1, 3, 3],
      [6, 1, 8, 4],
      [4, 4, 5, 5],
    ],
  );
  assert.deepEqual(show(left!.componentMask, 9), ['.........', '......11.', '......11.', '.......1.', '.........']);
});

test('components below the limit get no box', () => {
  assert.equal(boxes('component', 2).length, 2);
  assert.equal(boxes('component', 5).length, 1);
  assert.equal(boxes('component', 6).length, 0);
});

test('one box round the label holds all of it', () => {
  const [only, ...rest] = boxes('label', 100);
  assert.deepEqual(rest, []);
  assert.deepEqual(only!.box, [1, 1, 8, 5]);
  assert.deepEqual(only!.componentMask, lungs.mask);
});

test('an empty mask has no prompt', () => {
  for (const box of ['component', 'label'] as const) {
    assert.deepEqual(boxesOf(new Uint8Array(20), 4, 5, boxing({ box })), []);
  }
});

test('an empty mask is prompted with the whole image where the setting says so, and nothing is to be found', () => {
  const [whole, ...rest] = boxesOf(new Uint8Array(20), 4, 5, boxing({ empty: 'image' }));
  assert.deepEqual(rest, []);
  assert.deepEqual([whole!.box, whole!.label], [[0, 0, 5, 4], 1]);
  assert.ok(whole!.componentMask.every((value) => value === 0));
});

test('structures have boxes of their own, also where they touch', () => {
  const { mask, height, width } = draw('11122', '11122', '.....', '2....');
  const found = boxesOf(mask, height, width, boxing());
  assert.deepEqual(
    found.map(({ box, label }) => [label, box]),
    [
      [1, [0, 0, 3, 2]],
      [2, [3, 0, 5, 2]],
      [2, [0, 3, 1, 4]],
    ],
  );
  assert.deepEqual(show(found[1]!.componentMask, width), ['...11', '...11', '.....', '.....']);
  assert.deepEqual(
    boxesOf(mask, height, width, boxing({ box: 'label' })).map(({ box }) => box),
    [
      [0, 0, 3, 2],
      [0, 0, 5, 4],
    ],
  );
});

const BOX: Box = [20, 30, 60, 50];
/** The limit is told at 1024 pixels: ten times as many as the images here have. */
const TENTH = { jitter: 0.1, jitterPixels: 1024 };

test('jitter moves each side outward by up to the fraction of the longer side', () => {
  const seen = { least: [9, 9, 9, 9], most: [0, 0, 0, 0] };
  for (let step = 0; step < 500; step += 1) {
    const [x0, y0, x1, y1] = jitterBox(BOX, 100, 100, TENTH, 7, step);
    [20 - x0, 30 - y0, x1 - 60, y1 - 50].forEach((out, side) => {
      assert.ok(out >= 0 && out <= 4, `side ${side} moved by ${out}`);
      seen.least[side] = Math.min(seen.least[side]!, out);
      seen.most[side] = Math.max(seen.most[side]!, out);
    });
  }
  assert.ok(seen.least.every((out) => out < 0.1) && seen.most.every((out) => out > 3.9));
});

test('jitter moves no side further than its limit in pixels', () => {
  const reach = Array.from({ length: 500 }, (_, step) => {
    const [x0] = jitterBox(BOX, 100, 100, { jitter: 0.1, jitterPixels: 15.36 }, 7, step);
    return 20 - x0;
  });
  assert.ok(Math.max(...reach) <= 1.5 && Math.max(...reach) > 1.4);
});

test('jitter depends on seed and counters only, and stops at the border', () => {
  assert.deepEqual(jitterBox(BOX, 100, 100, TENTH, 7, 1, 2), jitterBox(BOX, 100, 100, TENTH, 7, 1, 2));
  assert.notDeepEqual(jitterBox(BOX, 100, 100, TENTH, 7, 1, 2), jitterBox(BOX, 100, 100, TENTH, 7, 2, 1));
  assert.deepEqual(jitterBox(BOX, 100, 100, { jitter: 0, jitterPixels: 1024 }, 7, 1), BOX);
  for (let step = 0; step < 100; step += 1) {
    const [x0, y0, x1, y1] = jitterBox([0, 0, 40, 30], 30, 40, { jitter: 1, jitterPixels: 1024 }, 7, step);
    assert.deepEqual([x0, y0, x1, y1], [0, 0, 40, 30]);
  }
});

test('padding widens a box by a fraction of its longer side and by pixels, within the image', () => {
  assert.deepEqual(padBox(BOX, 100, 100, { padding: 0.1, paddingPixels: 10.24 }), [15, 25, 65, 55]);
  assert.deepEqual(padBox(BOX, 100, 100, { padding: 1, paddingPixels: 0 }), [0, 0, 100, 90]);
  const [first] = boxesOf(lungs.mask, lungs.height, lungs.width, boxing({ padding: 0.5 }));
  assert.deepEqual(first!.box, [0, 0, 4, 4]);
});
