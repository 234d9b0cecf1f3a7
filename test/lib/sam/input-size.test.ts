import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { atInputSize } from '../../../lib/sam/input-size.ts';
import { parameterShapes } from '../../../lib/sam/model.ts';
import { tinyModel } from '../../helpers/tiny-model.ts';

/** Made with torch.nn.functional.interpolate: bicubic for the grid, linear for the relative table. */
const reference = JSON.parse(
  readFileSync(new URL('../../fixtures/interpolated-positions.json', import.meta.url), 'utf8'),
) as Record<string, { pos: number[]; rel: number[] }>;

const value = (i: number): number => Math.sin(i * 0.7) + Math.cos(i * 0.13);
const GLOBAL = 'vision_encoder.layers.2.attn.rel_pos_h';
const GRID = 'vision_encoder.pos_embed';

describe('positions at another input size are those of PyTorch', () => {
  for (const [size, expected] of Object.entries(reference)) {
    test(`from 8 to ${size} places`, () => {
      const model = tinyModel();
      // The reference has two channels of the grid and three of the table: they stand in the first ones here.
      const [width, depth] = [model.shapes.get(GRID)![3]!, model.shapes.get(GLOBAL)![1]!];
      const grid = new Float32Array(64 * width);
      for (let i = 0; i < 128; i++) grid[Math.floor(i / 2) * width + (i % 2)] = value(i);
      const table = new Float32Array(15 * depth);
      for (let i = 0; i < 45; i++) table[Math.floor(i / 3) * depth + (i % 3)] = value(i);
      const tensors = new Map([...model.tensors, [GRID, grid], [GLOBAL, table]]);
      const resized = atInputSize({ ...model, tensors }, Number(size) * 16);

      const found = resized.tensors.get(GRID)!;
      for (const [i, truth] of expected.pos.entries()) {
        const ours = found[Math.floor(i / 2) * width + (i % 2)]!;
        assert.ok(Math.abs(ours - truth) < 2e-6, `grid value ${i}: ${ours} against ${truth}`);
      }
      const relative = resized.tensors.get(GLOBAL)!;
      for (const [i, truth] of expected.rel.entries()) {
        const ours = relative[Math.floor(i / 3) * depth + (i % 3)]!;
        assert.ok(Math.abs(ours - truth) < 2e-6, `table value ${i}: ${ours} against ${truth}`);
      }
    });
  }
});

test('a resized model is whole: every tensor has the shape that its configuration asks for, windows keep theirs', () => {
  const model = tinyModel();
  const resized = atInputSize(model, 64);
  assert.equal(resized.config.grid, 4);
  assert.equal(resized.config.maskSize, 16);
  assert.equal(resized.processor.size, 64);
  for (const [name, shape] of parameterShapes(resized.config)) {
    assert.equal(
      resized.tensors.get(name)!.length,
      shape.reduce((a, b) => a * b, 1),
      name,
    );
  }
  const inWindow = 'vision_encoder.layers.0.attn.rel_pos_h';
  assert.equal(resized.tensors.get(inWindow), model.tensors.get(inWindow));
  assert.equal(atInputSize(model, 128), model);
});

test('a size that patches do not fill is refused with the sizes that do', () => {
  assert.throws(() => atInputSize(tinyModel(), 100), { code: 'SAM_INPUT_SIZE' });
});
