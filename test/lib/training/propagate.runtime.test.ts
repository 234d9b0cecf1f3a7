import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Box } from '../../../lib/dataset/components.ts';
import { MaskDecoder } from '../../../lib/training/decoder.ts';
import { ImageEncoder } from '../../../lib/training/encoder.ts';
import { type Propagation, propagateBoxes } from '../../../lib/training/propagate.ts';
import { nanoModel } from '../../helpers/nano-model.ts';

const [ROWS, SIDE] = [14, 128];
/** The slices that tubes run through. */
const TUBE = { from: 3, to: 9 };

/** Bright discs of radius 16 on a grainy ground, whose middles move to the right and down from slice to slice. */
function tubes(middles: readonly { x: number; y: number }[]): Uint8Array {
  const pixels = new Uint8Array(ROWS * SIDE ** 2);
  for (let at = 0; at < pixels.length; at++) {
    const row = Math.floor(at / SIDE ** 2);
    const [x, y] = [(at % SIDE) + 0.5, (Math.floor(at / SIDE) % SIDE) + 0.5];
    const isInside = middles.some((middle) => Math.hypot(x - middle.x - 2 * row, y - middle.y - row) < 16);
    const isThere = row >= TUBE.from && row <= TUBE.to && isInside;
    pixels[at] = (isThere ? 170 : 80) + ((at * 7919 + row * 31) % 17) - 8;
  }
  return pixels;
}

const boxAt = (middle: { x: number; y: number }, row: number): Box => {
  const [x, y] = [middle.x + 2 * row, middle.y + row];
  return [x - 16, y - 16, x + 16, y + 16];
};

describe('propagation', () => {
  const model = nanoModel();
  let [encoder, decoder] = [null as unknown as ImageEncoder, null as unknown as MaskDecoder];
  before(async () => {
    encoder = await ImageEncoder.open(model, { threads: 2 });
    decoder = await MaskDecoder.open(model, { threads: 2 });
  });
  after(() => Promise.all([encoder.close(), decoder.close()]));

  async function scanOf(middles: Parameters<typeof tubes>[0]): Promise<Omit<Propagation, 'starts'>> {
    const embeddings = await encoder.encode(tubes(middles), ROWS, SIDE, SIDE);
    const size = embeddings.length / ROWS;
    const embeddingOf = async (row: number) => embeddings.subarray(row * size, (row + 1) * size);
    const pointed = { kind: 'box', positivePoints: 1, negativePoints: 0 } as const;
    const setting = { box: 'component', minComponentPixels: 16, ...pointed } as const;
    return { decoder, rows: ROWS, height: SIDE, width: SIDE, embeddingOf, setting };
  }

  const [one, other] = [
    { x: 30, y: 40 },
    { x: 80, y: 70 },
  ];
  const rowsWithBoxes = (found: readonly (readonly Box[])[]) =>
    [...found.keys()].filter((row) => found[row]!.length > 0);
  const inTube = Array.from({ length: TUBE.to - TUBE.from + 1 }, (_, i) => TUBE.from + i);

  it('follows a tube both ways from one box and stops where it ends', async () => {
    const starts = [new Map([[6, [boxAt(one, 6)]]])];
    const [found] = await propagateBoxes({ ...(await scanOf([one])), starts });
    assert.deepEqual(rowsWithBoxes(found!), inTube);
    for (const row of inTube) {
      const [box] = found![row]!;
      for (const [side, at] of boxAt(one, row).entries()) {
        assert.ok(Math.abs(box![side]! - at) < 8, `row ${row}: ${box} for ${boxAt(one, row)}`);
      }
    }
  });

  it('follows several boxes and several structures at a time, each on its own', async () => {
    const scan = await scanOf([one, other]);
    const both = new Map([[5, [boxAt(one, 5), boxAt(other, 5)]]]);
    const single = new Map([[8, [boxAt(other, 8)]]]);
    const [together, apart, none] = await propagateBoxes({ ...scan, starts: [both, single, new Map()] });
    for (const row of inTube) assert.deepEqual([together![row]!.length, apart![row]!.length], [2, 1], `row ${row}`);
    assert.deepEqual(rowsWithBoxes(none!), []);
  });

  it('starts where the model is surest, and twice the same', async () => {
    const scan = await scanOf([one]);
    // On slice 12 there is nothing; what the model makes of it must not be where it starts.
    const starts = [
      new Map([
        [12, [[4, 100, 12, 108] as Box]],
        [4, [boxAt(one, 4)]],
      ]),
    ];
    const found = await propagateBoxes({ ...scan, starts });
    assert.deepEqual(found[0]![4], [boxAt(one, 4)]);
    assert.deepEqual(found[0]![12], []);
    assert.deepEqual(await propagateBoxes({ ...scan, starts }), found);
  });

  it('ends by its signal', async () => {
    const scan = await scanOf([one]);
    const stop = new AbortController();
    let asked = 0;
    const embeddingOf = (row: number) => {
      if (++asked === 4) stop.abort(new Error('enough'));
      return scan.embeddingOf(row);
    };
    const starts = [new Map([[6, [boxAt(one, 6)]]])];
    await assert.rejects(propagateBoxes({ ...scan, embeddingOf, starts, signal: stop.signal }), /enough/);
    assert.equal(asked, 4);
  });
});
