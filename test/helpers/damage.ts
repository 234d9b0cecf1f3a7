import { random } from '../../lib/dataset/random.ts';

const SEED = Number(process.env.FUZZ_SEED ?? 77);

/**
 * One file, damaged as disks, networks and bad exports do it: bits flipped (half the time within the first `span` bytes, where
 * headers are), a run of zeros, a piece lost, the end cut off, something added. A pure function of file and round.
 */
export function damage(whole: Uint8Array, span: number, round: number): Uint8Array {
  const draw = (what: number, index = 0) => random(SEED, round, what, index);
  const place = (index: number) =>
    Math.floor(draw(1, index) * (draw(2, index) < 0.5 ? Math.min(span, whole.length) : whole.length));
  const kind = draw(3);
  if (kind < 0.08) return whole.slice(0, place(0));
  if (kind < 0.12) return Uint8Array.from(Buffer.concat([whole.subarray(0, place(0)), whole.subarray(place(0) + 7)]));
  if (kind < 0.15) return Uint8Array.from(Buffer.concat([whole, whole.subarray(0, place(1))]));
  const damaged = whole.slice();
  if (kind < 0.2) return damaged.fill(0, place(0), place(0) + 16);
  const flips = 1 + Math.floor(4 * draw(4));
  for (let flip = 0; flip < flips; flip += 1) damaged[place(flip)]! ^= 1 << Math.floor(8 * draw(5, flip));
  return damaged;
}
