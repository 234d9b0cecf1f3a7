export interface SignedRank {
  /** Two-sided; 1 where no pair differs. */
  readonly p: number;
  /** Pairs that differ: only they say anything. */
  readonly pairs: number;
  /** The smallest p that so many pairs can give, whatever their values: all of them with the same sign. */
  readonly smallestP: number;
}

/** Differences closer than this are ties: what is left of equal scores after floating-point arithmetic. */
const RESOLUTION = 1e-12;

/**
 * Wilcoxon's signed-rank test of paired differences, two-sided and exact for any number of pairs: the distribution of the rank
 * sum under all 2ⁿ signs, counted and not approximated, with the mean rank for ties and without the pairs that do not differ
 * (Wilcoxon 1945). It asks for no shape of the distribution, which scores that crowd at 1 do not have.
 */
export function signedRank(differences: readonly number[]): SignedRank {
  const steps = differences.map((difference) => Math.round(difference / RESOLUTION)).filter((step) => step !== 0);
  const pairs = steps.length;
  const smallestP = Math.min(1, 2 ** (1 - pairs));
  if (pairs === 0) return { p: 1, pairs, smallestP };
  const doubled = doubledRanks(steps.map(Math.abs));
  const positive = doubled.reduce((sum, rank, at) => sum + (steps[at]! > 0 ? rank : 0), 0);
  const total = doubled.reduce((sum, rank) => sum + rank, 0);
  const chance = rankSumChances(doubled, total);
  // The distribution is symmetric: the other tail is this one mirrored.
  const tail = Math.min(positive, total - positive);
  let p = 0;
  for (let sum = 0; sum <= tail; sum += 1) p += 2 * chance[sum]!;
  return { p: Math.min(1, p), pairs, smallestP };
}

/** Twice the rank of each value, so that the mean rank of ties is a whole number. */
function doubledRanks(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return 2 * below + equal + 1;
  });
}

/** Chance of each sum of the ranks that carry a plus, with every sign as likely as the other. */
function rankSumChances(ranks: readonly number[], total: number): Float64Array {
  let chances = new Float64Array(total + 1);
  chances[0] = 1;
  for (const rank of ranks) {
    const next = new Float64Array(total + 1);
    for (let sum = 0; sum <= total; sum += 1) {
      next[sum] = (chances[sum]! + (sum >= rank ? chances[sum - rank]! : 0)) / 2;
    }
    chances = next;
  }
  return chances;
}
