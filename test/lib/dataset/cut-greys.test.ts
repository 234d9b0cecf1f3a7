import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutGreys, INT16_ZERO } from '../../../lib/dataset/cut-greys.ts';
import { cutSlice, planeOf, SLICE_AXES } from '../../../lib/dataset/planes.ts';

const [NX, NY, NZ] = [5, 4, 3];
const WALKS = {
  sagittal: { height: NZ, width: NY, sliceStride: 1, rowStride: NX * NY, columnStride: NX },
  coronal: { height: NZ, width: NX, sliceStride: NX, rowStride: NX * NY, columnStride: 1 },
  axial: { height: NY, width: NX, sliceStride: NX * NY, rowStride: NX, columnStride: 1 },
};
const image = Int16Array.from({ length: NX * NY * NZ }, (_, at) => ((at * 7919) % 500) - 250);
const mask = Uint8Array.from(image, (value) => Math.abs(value) % 4);
const table = Uint8Array.from({ length: 65536 }, (_, bin) => (bin * 31) & 255);

for (const axis of SLICE_AXES) {
  test(`a ${axis} slice has its far end first, in rows and in columns, and nothing else is touched`, () => {
    const { height, width, sliceStride, rowStride, columnStride } = WALKS[axis];
    const plane = planeOf([NX, NY, NZ], axis);
    for (const position of [0, 2]) {
      const greys = new Uint8Array(height * width + 5).fill(77);
      const labels = new Uint8Array(height * width + 5).fill(77);
      cutGreys(plane, image, table, position, greys, 3);
      cutSlice(plane, mask, position, labels, 3);
      for (let row = 0; row < height; row += 1) {
        for (let column = 0; column < width; column += 1) {
          const voxel = position * sliceStride + (height - 1 - row) * rowStride + (width - 1 - column) * columnStride;
          assert.equal(greys[3 + row * width + column], table[image[voxel]! + INT16_ZERO]);
          assert.equal(labels[3 + row * width + column], mask[voxel]);
        }
      }
      for (const around of [greys, labels]) {
        assert.deepEqual([...around.subarray(0, 3), ...around.subarray(3 + height * width)], [77, 77, 77, 77, 77]);
      }
    }
  });
}
