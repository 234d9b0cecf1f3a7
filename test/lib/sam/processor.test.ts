import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { decode } from 'fast-png';
import { upscaleMask } from '../../../lib/sam/post-process.ts';
import { preprocess, resizedShape, type SamProcessor, scaleBox } from '../../../lib/sam/processor.ts';
import { resizeBilinear } from '../../../lib/sam/resize.ts';

interface Reference {
  longest_edge: number;
  original: [number, number];
  resized: [number, number];
  channel_mean: number[];
  channel_std: number[];
}
const folder = new URL('../../fixtures/imaging/', import.meta.url);
const references = JSON.parse(readFileSync(new URL('preprocess.json', folder), 'utf8')) as Record<string, Reference>;
const grey = (name: string) => {
  const { data, width, height, channels } = decode(readFileSync(new URL(name, folder)));
  return { width, height, pixels: Uint8Array.from({ length: width * height }, (_, i) => data[i * channels]!) };
};
const processor = (size: number): SamProcessor => ({
  size,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  rescale: 1 / 255,
});

describe('an image becomes the model input that SamImageProcessor makes', () => {
  for (const [name, reference] of Object.entries(references)) {
    test(name, () => {
      const [height, width] = reference.original;
      const { pixels } = grey(`pre_${name}.input.png`);
      assert.deepEqual(resizedShape(height, width, reference.longest_edge), reference.resized);
      const [h, w] = reference.resized;
      const expected = grey(`pre_${name}.resized.png`).pixels;
      const found = resizeBilinear(pixels, height, width, h, w);
      assert.equal(found.length, expected.length);
      assert.deepEqual(found, expected, 'not equal to Pillow to the bit');

      const input = preprocess(pixels, height, width, processor(reference.longest_edge));
      const plane = reference.longest_edge ** 2;
      for (let channel = 0; channel < 3; channel++) {
        const values = input.subarray(channel * plane, (channel + 1) * plane);
        const mean = values.reduce((a, b) => a + b, 0) / plane;
        const std = Math.sqrt(values.reduce((total, x) => total + (x - mean) ** 2, 0) / plane);
        assert.ok(Math.abs(mean - reference.channel_mean[channel]!) < 1e-5, `mean ${mean}`);
        assert.ok(Math.abs(std - reference.channel_std[channel]!) < 1e-5, `deviation ${std}`);
      }
    });
  }
});

/** One pass of Pillow's definition over one line, without any short cut. */
function resizeLine(line: readonly number[], to: number): number[] {
  const scale = line.length / to;
  const support = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(line.length, Math.trunc(centre + support + 0.5));
    const raw = line.slice(start, end).map((_, k) => Math.max(0, 1 - Math.abs((k + start - centre + 0.5) / support)));
    const total = raw.reduce((a, b) => a + b, 0);
    const weights = raw.map((weight) => Math.trunc(0.5 + (weight / total) * 2 ** 22));
    const sum = weights.reduce((to, weight, k) => to + weight * line[start + k]!, 2 ** 21);
    return Math.floor(sum / 2 ** 22);
  });
}

function resizeByDefinition(pixels: Uint8Array, height: number, width: number, toHeight: number, toWidth: number) {
  const rows = Array.from({ length: height }, (_, y) =>
    resizeLine([...pixels.subarray(y * width, (y + 1) * width)], toWidth),
  );
  const columns = Array.from({ length: toWidth }, (_, x) =>
    resizeLine(
      rows.map((row) => row[x]!),
      toHeight,
    ),
  );
  return Uint8Array.from({ length: toHeight * toWidth }, (_, i) => columns[i % toWidth]![Math.floor(i / toWidth)]!);
}

const noise = (length: number) => Uint8Array.from({ length }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24);

test('every way to resize gives what the definition gives: enlarged exactly or not, shrunk, kept, odd sides', () => {
  for (const [height, width, toHeight, toWidth] of [
    [32, 32, 64, 64],
    [33, 16, 64, 32],
    [24, 31, 64, 61],
    [16, 16, 37, 42],
    [40, 64, 20, 32],
    [17, 64, 34, 31],
    [20, 20, 20, 20],
    [1, 1, 6, 5],
  ] as const) {
    const pixels = noise(height * width);
    const expected = resizeByDefinition(pixels, height, width, toHeight, toWidth);
    const found = resizeBilinear(pixels, height, width, toHeight, toWidth);
    assert.deepEqual(found, expected, `${height}x${width} to ${toHeight}x${toWidth}`);
  }
});

test('model input is written where the caller wants it, and nothing beside it', () => {
  for (const [size, at, height, width] of [
    [64, 0, 32, 32],
    [64, 6, 32, 21],
    [64, 7, 20, 32],
    [30, 2, 15, 15],
  ] as const) {
    const image = 3 * size * size;
    const pixels = noise(height * width);
    const { mean, std, rescale } = processor(size);
    const out = new Float32Array(image + 16).fill(9);
    assert.equal(preprocess(pixels, height, width, processor(size), out, at), out);
    const [h, w] = resizedShape(height, width, size);
    const resized = resizeByDefinition(pixels, height, width, h, w);
    const expected = new Float32Array(out.length).fill(9).fill(0, at, at + image);
    for (let channel = 0; channel < 3; channel++)
      for (const [i, level] of resized.entries())
        expected[at + (channel * size + Math.floor(i / w)) * size + (i % w)] =
          (level * rescale - mean[channel]!) / std[channel]!;
    assert.deepEqual(out, expected, `size ${size} at ${at}`);
  }
});

test('a box is scaled by the sizes after rounding', () => {
  assert.deepEqual(scaleBox([0, 0, 120, 126], 126, 120, processor(256)), [0, 0, 244, 256]);
});

test('a mask goes back to the image: a half-covered one stays half-covered, padding is cut off', () => {
  const size = 64;
  const logits = Float32Array.from({ length: size * size }, (_, at) => (at % size < 16 ? 4 : -4));
  const full = upscaleMask(logits, size, 200, 100, processor(256));
  const covered = full.filter((value) => value > 0).length / full.length;
  assert.ok(Math.abs(covered - 0.5) < 0.02, `${covered} of the image is covered`);
});
