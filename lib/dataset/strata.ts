/** Who may be put into a stratum: by the labels that the patient's mask holds, in order. */
export interface Stratified {
  readonly labels: readonly number[];
}

/** Patients by their combination of labels, each in the given order; one stratum for all where `stratify` is false. */
export function strataOf<T extends Stratified>(patients: readonly T[], stratify: boolean): ReadonlyMap<string, T[]> {
  const strata = new Map<string, T[]>();
  for (const patient of patients) {
    const combination = stratify ? patient.labels.join() : '';
    strata.set(combination, [...(strata.get(combination) ?? []), patient]);
  }
  return strata;
}

/**
 * Divides `seats` among strata in proportion to their sizes, by the largest remainder (Hamilton's method): each gets its exact
 * share rounded down or up. Equal remainders go to the stratum that stands first. Whole numbers throughout.
 */
export function apportion(sizes: readonly number[], seats: number): number[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const whole = sizes.map((size) => Math.floor((seats * size) / total));
  const left = seats - whole.reduce((sum, share) => sum + share, 0);
  const byRemainder = [...sizes.keys()].sort((a, b) => ((seats * sizes[b]!) % total) - ((seats * sizes[a]!) % total));
  const rounded = new Set(byRemainder.slice(0, left));
  return whole.map((share, at) => share + (rounded.has(at) ? 1 : 0));
}

/** The first `count` patients, of each combination of labels its share; in the given order. */
export function shareOf<T extends Stratified>(patients: readonly T[], count: number, stratify: boolean): T[] {
  const strata = [...strataOf(patients, stratify).values()];
  const seats = apportion(
    strata.map(({ length }) => length),
    count,
  );
  const taken = new Set(strata.flatMap((stratum, at) => stratum.slice(0, seats[at])));
  return patients.filter((patient) => taken.has(patient));
}

/**
 * Cuts the ranking into folds. Of each combination of labels every fold gets the same number of patients, or one more or less; so
 * it is with patients altogether, because the odd ones of a combination begin at the fold where those of the last one ended.
 * Folds are consecutive pieces of a combination's ranking: one more patient moves at most one other across each border.
 */
export function foldsOf<T extends Stratified>(ranked: readonly T[], count: number, stratify: boolean): T[][] {
  const folds = Array.from({ length: count }, (): Set<T> => new Set());
  const strata = [...strataOf(ranked, stratify)].sort(([a], [b]) => (a < b ? -1 : 1));
  let first = 0;
  for (const [, patients] of strata) {
    const odd = patients.length % count;
    let from = 0;
    for (const [at, fold] of folds.entries()) {
      const isLonger = (at - first + count) % count < odd;
      const to = from + Math.floor(patients.length / count) + (isLonger ? 1 : 0);
      for (const patient of patients.slice(from, to)) fold.add(patient);
      from = to;
    }
    first = (first + odd) % count;
  }
  return folds.map((fold) => ranked.filter((patient) => fold.has(patient)));
}
