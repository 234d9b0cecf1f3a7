import { meanOf } from './statistics.ts';

/** A stronger candidate has to be better by this much of Dice: less is chance. */
export const LEAST_GAIN = 0.001;

/**
 * Which of several candidates is best by its mean over the same cases [candidate][case], given from the mildest to the
 * strongest: a later one counts only where it beats the best so far by `LEAST_GAIN`.
 */
export function chooseMildest(dices: readonly (readonly number[])[]): number {
  let best = 0;
  for (let candidate = 1; candidate < dices.length; candidate += 1) {
    if (meanOf(dices[candidate]!) >= meanOf(dices[best]!) + LEAST_GAIN) best = candidate;
  }
  return best;
}
