import assert from 'node:assert/strict';
import { test } from 'node:test';
import { random } from '../../../lib/dataset/random.ts';
import { signedRank } from '../../../lib/metrics/signed-rank.ts';

/** p from every one of the 2ⁿ ways to give signs to the mean ranks. */
function bruteForce(differences: readonly number[]): number {
  const sizes = differences.filter((difference) => difference !== 0).map(Math.abs);
  const rank = (size: number) =>
    sizes.filter((other) => other < size).length + (sizes.filter((other) => other === size).length + 1) / 2;
  const ranks = sizes.map(rank);
  const total = ranks.reduce((sum, value) => sum + value, 0);
  const positive = differences.filter((d) => d !== 0).reduce((sum, d, at) => sum + (d > 0 ? ranks[at]! : 0), 0);
  const far = Math.abs(positive - total / 2);
  let extreme = 0;
  for (let signs = 0; signs < 2 ** ranks.length; signs += 1) {
    const sum = ranks.reduce((all, value, at) => all + ((signs >> at) & 1 ? value : 0), 0);
    if (Math.abs(sum - total / 2) >= far) extreme += 1;
  }
  return extreme / 2 ** ranks.length;
}

test('p is that of SciPy 1.17, wilcoxon with method exact', () => {
  for (const [differences, p] of [
    [[0.02, 0.05, -0.01, 0.03, 0.08, 0.04], 0.0625],
    [[1, 2, 3, 4, 5], 0.0625],
    [[0.5, -1.2, 2.2, -0.3, 3.1, 0.9, -0.1, 1.7, 2.8, -0.6, 1.1, 0.4], 0.0771484375],
  ] as const) {
    assert.equal(signedRank(differences).p, p);
  }
});

test('p is that of all ways to set the signs, with ties and zeros too', () => {
  for (let seed = 0; seed < 60; seed += 1) {
    const differences = Array.from({ length: 1 + (seed % 9) }, (_, at) => Math.floor(random(seed, at) * 7) - 3);
    const { p, pairs } = signedRank(differences);
    assert.equal(pairs, differences.filter((difference) => difference !== 0).length);
    const expected = pairs === 0 ? 1 : bruteForce(differences);
    assert.ok(Math.abs(p - expected) < 1e-12, `${differences}: ${p}, not ${expected}`);
  }
});

test('the direction does not matter, and few pairs can say little', () => {
  const gains = [0.1, 0.2, 0.3, 0.4];
  assert.deepEqual(signedRank(gains), { p: 0.125, pairs: 4, smallestP: 0.125 });
  assert.equal(signedRank(gains.map((gain) => -gain)).p, 0.125);
  assert.deepEqual(signedRank([]), { p: 1, pairs: 0, smallestP: 1 });
});

test('what floating-point arithmetic leaves of a tie is a tie', () => {
  assert.deepEqual(signedRank([0.1 + 0.2 - 0.3, 0.5]), { p: 1, pairs: 1, smallestP: 1 });
  assert.equal(signedRank([0.3 - 0.2, 0.1, -0.1]).p, 1);
});

test('hundreds of pairs are still counted exactly', () => {
  const { p } = signedRank(Array.from({ length: 200 }, (_, at) => (at % 2 ? 1 : -1) * (at + 1)));
  assert.ok(p > 0.8 && p <= 1, `${p}`);
});
