import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cornerBit, surfelAreasMm2 } from '../../../lib/metrics/surfel-areas.ts';

const UNIT = surfelAreasMm2([1, 1, 1]);
const codeOf = (...corners: [number, number, number][]) =>
  corners.reduce((code, corner) => code | cornerBit(...corner), 0);
const close = (value: number, expected: number) =>
  assert.ok(Math.abs(value - expected) < 1e-12, `${value}, not ${expected}`);

test('a cube all in or all out holds no surface, every other one does', () => {
  assert.deepEqual([UNIT[0], UNIT[255]], [0, 0]);
  assert.ok(UNIT.slice(1, 255).every((area) => area > 0));
});

test('flat pieces have the area that geometry gives them', () => {
  // An equilateral triangle of side √½, a rectangle of 1 x √½, the square across the middle, a regular hexagon of side √½.
  close(UNIT[codeOf([0, 0, 0])]!, Math.sqrt(3) / 8);
  close(UNIT[codeOf([0, 0, 0], [1, 0, 0])]!, Math.SQRT1_2);
  close(UNIT[codeOf([0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0])]!, 1);
  close(UNIT[codeOf([0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1])]!, (3 * Math.sqrt(3)) / 4);
});

test('spacing stretches a piece along its own axes', () => {
  const areas = surfelAreasMm2([2, 3, 5]);
  close(areas[codeOf([0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0])]!, 2 * 3);
  close(areas[codeOf([0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1])]!, 3 * 5);
  // The rectangle along x: 2 long, across the diagonal of 1.5 x 2.5.
  close(areas[codeOf([0, 0, 0], [1, 0, 0])]!, 2 * Math.hypot(1.5, 2.5));
});

test('inside and outside share their surface', () => {
  const areas = surfelAreasMm2([0.7, 1.1, 2.5]);
  for (let code = 0; code < 256; code += 1) close(areas[code]!, areas[255 - code]!);
});

test('corners that touch along no edge lie apart', () => {
  close(UNIT[codeOf([0, 0, 0], [1, 1, 0])]!, 2 * UNIT[codeOf([0, 0, 0])]!);
  close(UNIT[codeOf([0, 0, 0], [1, 1, 0], [1, 1, 1])]!, UNIT[codeOf([0, 0, 0])]! + UNIT[codeOf([0, 0, 0], [0, 0, 1])]!);
});
