import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { decodeSafetensors } from '../../../lib/safetensors.ts';
import { readSamModel } from '../../../lib/sam/model.ts';
import { MaskDecoder, segmentSlices } from '../../../lib/training/decoder.ts';
import { ImageEncoder } from '../../../lib/training/encoder.ts';

const folder = new URL('../../../models/sam-nano/', import.meta.url);
const json = (name: string): unknown => JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
const nano = () =>
  readSamModel({
    config: json('config.json'),
    preprocessor: json('preprocessor_config.json'),
    tensors: decodeSafetensors(readFileSync(new URL('model.safetensors', folder))).tensors,
  });

const COUNT = 16;

/** Bright discs on a dark, grainy ground, each at its own place: [N, H, W] and the discs. */
function discs(height: number, width: number) {
  const radius = 0.1 * Math.max(height, width);
  const pixels = new Uint8Array(COUNT * height * width);
  const masks = Array.from({ length: COUNT }, (_, n) => {
    const [cx, cy] = [width * (0.3 + 0.4 * ((n * 0.618) % 1)), height * (0.3 + 0.4 * ((n * 0.414) % 1))];
    const mask = new Uint8Array(height * width);
    for (let at = 0; at < mask.length; at++) {
      const [x, y] = [(at % width) + 0.5, Math.floor(at / width) + 0.5];
      if (Math.hypot(x - cx, y - cy) < radius) mask[at] = 1;
      pixels[n * mask.length + at] = (mask[at] ? 170 : 80) + ((at * 7919 + n * 31) % 17) - 8;
    }
    return mask;
  });
  return { pixels, masks };
}

function extent(mask: Uint8Array, width: number) {
  let [count, x, y] = [0, 0, 0];
  const box = [Infinity, Infinity, -Infinity, -Infinity] as [number, number, number, number];
  for (let at = 0; at < mask.length; at++) {
    if (!mask[at]) continue;
    const [column, row] = [at % width, Math.floor(at / width)];
    count++;
    [x, y] = [x + column, y + row];
    box[0] = Math.min(box[0], column);
    box[1] = Math.min(box[1], row);
    box[2] = Math.max(box[2], column + 1);
    box[3] = Math.max(box[3], row + 1);
  }
  return { x: x / count, y: y / count, box };
}

describe('a mask lies where its object lies: the whole way to the model input and back is free of shift', () => {
  for (const [height, width] of [
    [256, 256],
    [101, 122],
    [122, 101],
    [512, 300],
  ] as const) {
    it(`on slices of ${height} x ${width}`, async () => {
      const model = nano();
      const encoder = await ImageEncoder.open(model, { threads: 2 });
      const decoder = await MaskDecoder.open(model, { threads: 2 });
      const { pixels, masks } = discs(height, width);
      const embeddings = await encoder.encode(pixels, COUNT, height, width);
      const size = embeddings.length / COUNT;
      const prompted = masks.map((mask, n) => ({
        embedding: embeddings.subarray(n * size, (n + 1) * size),
        ...{ height, width, boxes: [{ box: extent(mask, width).box, label: 1 }] },
      }));
      const found = await segmentSlices(decoder, prompted);
      await Promise.all([encoder.close(), decoder.close()]);

      const perModelPixel = model.config.imageSize / Math.max(height, width);
      for (const axis of ['x', 'y'] as const) {
        const shifts = masks.map((mask, n) => extent(found[n]!.labels, width)[axis] - extent(mask, width)[axis]);
        const mean = (shifts.reduce((a, b) => a + b, 0) / COUNT) * perModelPixel;
        assert.ok(Math.abs(mean) < 0.5, `mean shift along ${axis}: ${mean.toFixed(2)} pixels of the model input`);
      }
    });
  }
});
