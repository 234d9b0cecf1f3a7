import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Box } from '../../../lib/dataset/components.ts';
import { random } from '../../../lib/dataset/random.ts';
import { boxesOfShares, boxIou } from '../../../lib/training/proposer-boxes.ts';
import { type CellGrid, structureShares } from '../../../lib/training/proposer-cells.ts';
import { boxFigures, chooseRule, type ShareMap } from '../../../lib/training/proposer-quality.ts';

const RULE = { threshold: 0.5, margin: 0 };
const EACH = { box: 'component', minComponentPixels: 1 } as const;
const CELLS: CellGrid = { height: 64, width: 64, grid: 8 };

/** A mask of rectangles, as the shares that a perfect head would tell. */
function sharesOf(boxes: readonly Box[], cells = CELLS): Float32Array {
  const mask = new Uint8Array(cells.height * cells.width);
  for (const [x0, y0, x1, y1] of boxes) {
    for (let y = y0; y < y1; y++) mask.fill(1, y * cells.width + x0, y * cells.width + x1);
  }
  return structureShares(mask, 1, cells);
}

const boxes = (shares: Float32Array, rule = RULE, mode: Parameters<typeof boxesOfShares>[3] = EACH, cells = CELLS) =>
  boxesOfShares(shares, cells, rule, mode).map(({ box }) => box.map((side) => Number(side.toFixed(3))));

test('true shares give back the sides of a rectangle between the cells’ borders, wherever they lie', () => {
  for (let n = 0; n < 200; n++) {
    const draw = (from: number, to: number, which: number) => Math.floor(from + (to - from) * random(3, n, which));
    const [x0, y0] = [draw(0, 40, 0), draw(0, 40, 1)];
    const box: Box = [x0, y0, x0 + draw(16, 24, 2), y0 + draw(16, 24, 3)];
    const [found] = boxesOfShares(sharesOf([box]), CELLS, RULE, EACH);
    // Sides are exact where the row of cells that holds them is full: one is, in 16 pixels at cells of 8.
    assert.ok(boxIou(found!.box, box) > 0.98, `${box}: ${found!.box}`);
  }
});

test('a slice that is not square has its boxes inside itself', () => {
  const cells = { height: 20, width: 64, grid: 8 };
  assert.deepEqual(boxes(sharesOf([[8, 8, 24, 20]], cells), { threshold: 0.4, margin: 2 }, EACH, cells), [
    [0, 0, 40, 20],
  ]);
});

test('each component has a box, the largest first, or all of them one', () => {
  const two = sharesOf([
    [0, 0, 8, 8],
    [32, 32, 56, 56],
  ]);
  assert.deepEqual(boxes(two), [
    [32, 32, 56, 56],
    [0, 0, 8, 8],
  ]);
  assert.deepEqual(boxes(two, RULE, { ...EACH, box: 'label' }), [[0, 0, 56, 56]]);
});

test('components with fewer pixels than asked for have none, and no more than eight have one', () => {
  const small = sharesOf([
    [0, 0, 8, 7],
    [32, 32, 40, 40],
  ]);
  assert.deepEqual(boxes(small, RULE, { ...EACH, minComponentPixels: 60 }), [[32, 32, 40, 40]]);
  const many = [0, 16, 32, 48].flatMap((y) => [0, 16, 32, 48].map((x): Box => [x, y, x + 8, y + 8]));
  assert.equal(boxes(sharesOf(many)).length, 8);
});

test('what lies inside another box is part of it', () => {
  const ring: Box[] = [
    [0, 0, 64, 8],
    [0, 56, 64, 64],
    [0, 0, 8, 64],
    [56, 0, 64, 64],
  ];
  assert.deepEqual(boxes(sharesOf([...ring, [24, 24, 40, 40]])), [[0, 0, 64, 64]]);
});

test('a map without a cell above the threshold has no box', () => {
  assert.deepEqual(boxes(new Float32Array(64).fill(0.49)), []);
});

test('the rule is that whose boxes agree best, with missed and false boxes counted', async () => {
  // True cells tell 0.35, false ones 0.25: only a threshold between finds the one and not the other.
  const truth: Box = [8, 8, 24, 24];
  const shares = sharesOf([truth]).map((share) => 0.35 * share);
  for (const cell of [54, 55, 62, 63]) shares[cell] = 0.25;
  const map: ShareMap = { cells: CELLS, shares, truth: [truth] };
  const empty: ShareMap = { cells: CELLS, shares: new Float32Array(64).fill(0.05), truth: [] };
  const { rule, counts } = await chooseRule([map, empty], EACH);
  assert.equal(rule.threshold, 0.3);
  const { recall, falsePerSlice } = boxFigures([counts, null], 2);
  assert.deepEqual({ recall, falsePerSlice }, { recall: 1, falsePerSlice: 0 });
  assert.equal((await chooseRule([empty], EACH)).counts, null);
});

test('figures tell the quality, the share that was met and the boxes too many', () => {
  const counts = { iou: 0.9, matched: 1, hits: 1, proposed: 2, truth: 2 };
  assert.deepEqual(boxFigures([counts], 4), { valBoxIou: 0.3, recall: 0.5, falsePerSlice: 0.25 });
});
