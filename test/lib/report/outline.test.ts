import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { outline } from '../../../lib/report/outline.ts';

/** A mask drawn with `#` for foreground. */
function mask(rows: readonly string[]): [Uint8Array, number, number] {
  return [Uint8Array.from(rows.join(''), (character) => Number(character === '#')), rows.length, rows[0]!.length];
}

describe('the path of small masks', () => {
  const cases: [string, string[], string][] = [
    ['nothing', ['..', '..'], ''],
    ['one pixel', ['...', '..#'], 'M2 1h1v1h-1z'],
    ['a whole slice, as four runs', ['###', '###'], 'M0 0h3v2h-3z'],
    ['a hole is a loop of its own', ['###', '#.#', '###'], 'M0 0h3v3h-3zM1 1v1h1v-1z'],
  ];
  for (const [title, rows, path] of cases) test(title, () => assert.equal(outline(...mask(rows)), path));
});

/** Pixels inside the path by the even-odd rule, from its vertical runs. */
function filled(path: string, height: number, width: number): Uint8Array {
  const crossings = new Uint8Array(height * (width + 1));
  for (const loop of path.match(/M[^M]*/g) ?? []) {
    const [, left, top, runs] = loop.match(/^M(\d+) (\d+)(.*)z$/)!;
    let [x, y] = [Number(left), Number(top)];
    const vertical = (to: number): void => {
      for (let row = Math.min(y, to); row < Math.max(y, to); row++) crossings[row * (width + 1) + x]! ^= 1;
      y = to;
    };
    for (const [, direction, length] of runs!.matchAll(/([hv])(-?\d+)/g)) {
      if (direction === 'h') x += Number(length);
      else vertical(y + Number(length));
    }
    assert.ok(x === Number(left) || y === Number(top), 'the closing run is straight');
    vertical(Number(top));
  }
  const inside = new Uint8Array(height * width);
  for (let row = 0; row < height; row++) {
    for (let x = 0, parity = 0; x < width; x++) {
      parity ^= crossings[row * (width + 1) + x]!;
      inside[row * width + x] = parity;
    }
  }
  return inside;
}

test('filled by the even-odd rule, the path covers just the mask, corners that touch included', () => {
  let state = 1;
  for (const density of [0.1, 0.5, 0.9]) {
    const pixels = Uint8Array.from({ length: 23 * 31 }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return Number(state / 2 ** 32 < density);
    });
    assert.deepEqual(filled(outline(pixels, 23, 31), 23, 31), pixels);
  }
});
