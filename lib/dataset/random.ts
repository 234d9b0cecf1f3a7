/**
 * Randomness by counter, not by state: the same seed and counters give the same value in any order, process or attempt,
 * so a resumed or repeated step draws what the first one drew.
 */

/** murmur3's 32-bit finaliser: every input bit changes every output bit with probability one half. */
function mix32(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** Two lanes with different constants, so that 53 bits come out of 32-bit arithmetic. */
function absorb(state: number, word: number, lane: number): number {
  return mix32(Math.imul(state ^ word, lane) + 0x9e3779b9);
}

function checkCounter(value: number): void {
  if (!Number.isSafeInteger(value)) throw new RangeError(`a seed or counter must be a safe integer, got ${value}`);
}

/**
 * A uniform number in [0, 1) with 53 random bits, a pure function of the seed and the counters (integers of any sign).
 * `random(s, 1, 2)` and `random(s, 1)` are independent: the number of counters is part of the hash.
 */
export function random(seed: number, ...counters: number[]): number {
  let high = 0x243f6a88;
  let low = 0x85a308d3;
  const feed = (word: number) => {
    high = absorb(high, word, 0xcc9e2d51);
    low = absorb(low ^ high, word, 0x1b873593);
  };
  checkCounter(seed);
  feed(seed | 0);
  feed(Math.floor(seed / 2 ** 32));
  for (const counter of counters) {
    checkCounter(counter);
    feed(counter | 0);
    feed(Math.floor(counter / 2 ** 32));
  }
  feed(counters.length);
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

/** A uniform number in [from, to). */
export function randomBetween(from: number, to: number, seed: number, ...counters: number[]): number {
  return from + (to - from) * random(seed, ...counters);
}

/** The indices 0 .. count - 1 in a random order (Fisher-Yates), a pure function of the seed and the counters. */
export function randomOrder(count: number, seed: number, ...counters: number[]): Int32Array {
  const order = Int32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last -= 1) {
    const other = Math.floor(random(seed, ...counters, last) * (last + 1));
    const moved = order[last]!;
    order[last] = order[other]!;
    order[other] = moved;
  }
  return order;
}
