import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Shape3 } from '../../../lib/volume/affine.ts';
import { type ComponentsSetting, connectedVoxels } from '../../../lib/volume/components.ts';
import { maskOf, noise } from '../../helpers/masks.ts';

const SHAPE: Shape3 = [9, 8, 7];

/** Component of each voxel, from 1 in memory order, by flood fill. */
function flood(mask: Uint8Array, [nx, ny, nz]: Shape3, { of, connectivity }: ComponentsSetting): Int32Array {
  const inside = (at: number) => (mask[at] !== 0) === (of === 'foreground');
  const labels = new Int32Array(mask.length);
  let next = 0;
  for (const first of mask.keys()) {
    if (!inside(first) || labels[first] !== 0) continue;
    next += 1;
    const open = [first];
    while (open.length > 0) {
      const at = open.pop()!;
      if (labels[at] !== 0) continue;
      labels[at] = next;
      const [x, y, z] = [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))];
      for (let step = 0; step < 27; step += 1) {
        const [dx, dy, dz] = [(step % 3) - 1, (Math.floor(step / 3) % 3) - 1, Math.floor(step / 9) - 1];
        if (connectivity === 6 && Math.abs(dx) + Math.abs(dy) + Math.abs(dz) > 1) continue;
        const place = [x + dx, y + dy, z + dz] as const;
        if (place.some((value, axis) => value < 0 || value >= [nx, ny, nz][axis]!)) continue;
        const other = place[0] + nx * (place[1] + ny * place[2]);
        if (inside(other)) open.push(other);
      }
    }
  }
  return labels;
}

for (const of of ['foreground', 'background'] as const) {
  for (const connectivity of [6, 26] as const) {
    test(`components of the ${of} by ${connectivity} neighbours are those of a flood fill`, () => {
      for (const [seed, chance] of [0.05, 0.15, 0.4, 0.8, 0.95].entries()) {
        const mask = noise(SHAPE, chance, seed);
        const { starts, ends, component, voxels } = connectedVoxels(mask, SHAPE, { of, connectivity });
        const labels = new Int32Array(mask.length);
        for (const [run, start] of starts.entries()) labels.fill(component[run]! + 1, start, ends[run]);
        const expected = flood(mask, SHAPE, { of, connectivity });
        assert.deepEqual(labels, expected);
        assert.deepEqual(
          voxels,
          voxels.map((_, at) => expected.filter((label) => label === at + 1).length),
        );
      }
    });
  }
}

test('a component is open where it reaches one of the six ends of the grid', () => {
  for (const [axis, length] of SHAPE.entries()) {
    for (const end of [0, length - 1]) {
      const at = (place: number[]) => place.map((value, other) => (other === axis ? end : value));
      const [x, y, z] = at([4, 4, 3]);
      const { open } = connectedVoxels(
        maskOf(SHAPE, (...voxel) => `${voxel}` === `${[x, y, z]}`),
        SHAPE,
        {
          of: 'foreground',
          connectivity: 26,
        },
      );
      assert.deepEqual(open, [true], `axis ${axis}, ${end}`);
    }
  }
  const middle = maskOf(SHAPE, (x, y, z) => x === 4 && y === 4 && z === 3);
  assert.deepEqual(connectedVoxels(middle, SHAPE, { of: 'foreground', connectivity: 6 }).open, [false]);
});

test('an empty mask has no component, and its background one', () => {
  const empty = new Uint8Array(9 * 8 * 7);
  assert.deepEqual(connectedVoxels(empty, SHAPE, { of: 'foreground', connectivity: 26 }).voxels, []);
  assert.deepEqual(connectedVoxels(empty, SHAPE, { of: 'background', connectivity: 6 }).voxels, [504]);
});
