import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundingBox, connectedComponents } from '../../../lib/dataset/components.ts';
import { random } from '../../../lib/dataset/random.ts';
import { draw, show } from '../../helpers/pictures.ts';

const componentsOf = (...rows: string[]) => {
  const { mask, height, width } = draw(...rows);
  const { labels, components } = connectedComponents(mask, height, width);
  return { picture: show(labels, width), components };
};

test('components are numbered in raster order of their first pixel', () => {
  const { picture, components } = componentsOf('..#..', '#.#.#', '#...#');
  assert.deepEqual(picture, ['..1..', '2.1.3', '2...3']);
  assert.deepEqual(
    components.map(({ label, pixels, box }) => [label, pixels, box]),
    [
      [1, 2, [2, 0, 3, 2]],
      [2, 2, [0, 1, 1, 3]],
      [3, 2, [4, 1, 5, 3]],
    ],
  );
});

test('pixels that touch at a corner belong together', () => {
  assert.deepEqual(componentsOf('#..#', '.##.', '#..#').picture, ['1..1', '.11.', '1..1']);
});

test('arms that meet late become one component with one box', () => {
  const { picture, components } = componentsOf('#.#.#', '#.#.#', '#.###', '###..');
  assert.deepEqual(picture, ['1.1.1', '1.1.1', '1.111', '111..']);
  assert.deepEqual(components, [{ label: 1, pixels: 13, box: [0, 0, 5, 4] }]);
});

test('a component does not wrap round the border of the image', () => {
  assert.equal(componentsOf('..#', '#..', '..#').components.length, 3);
});

test('one pixel has a box of one pixel, and an empty mask has none', () => {
  const pixel = draw('......', '......', '......', '......', '......', '...#..');
  assert.deepEqual(connectedComponents(pixel.mask, 6, 6).components[0]!.box, [3, 5, 4, 6]);
  assert.deepEqual(boundingBox(pixel.mask, 6, 6), [3, 5, 4, 6]);
  assert.deepEqual(connectedComponents(new Uint8Array(12), 3, 4).components, []);
  assert.equal(boundingBox(new Uint8Array(12), 3, 4), null);
});

test('random masks are labelled as a flood fill labels them', () => {
  for (let round = 0; round < 60; round += 1) {
    const [height, width] = [3 + (round % 9), 2 + (round % 13)];
    const density = 0.2 + 0.6 * random(1, round);
    const mask = Uint8Array.from({ length: height * width }, (_, at) => (random(2, round, at) < density ? 255 : 0));
    const { labels } = connectedComponents(mask, height, width);
    assert.deepEqual([...labels], floodFill(mask, height, width), `round ${round}`);
  }
});

/** Slow and plain. */
function floodFill(mask: Uint8Array, height: number, width: number): number[] {
  const labels = new Array<number>(mask.length).fill(0);
  let label = 0;
  mask.forEach((value, start) => {
    if (value === 0 || labels[start] !== 0) return;
    label += 1;
    const queue = [start];
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      if (mask[at] === 0 || labels[at] !== 0) continue;
      labels[at] = label;
      const [x, y] = [at % width, Math.floor(at / width)];
      for (let dy = -1; dy <= 1; dy += 1) {
        for (let dx = -1; dx <= 1; dx += 1) {
          if (x + dx >= 0 && x + dx < width && y + dy >= 0 && y + dy < height) queue.push(at + dx + dy * width);
        }
      }
    }
  });
  return labels;
}
