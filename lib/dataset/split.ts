import { createHash } from 'node:crypto';
import { Fault } from '../fault.ts';
import { leak, tooFew } from './split-faults.ts';
import { foldsOf, shareOf } from './strata.ts';

export const SPLIT_PARTS = ['train', 'val', 'test'] as const;
export type SplitPart = (typeof SPLIT_PARTS)[number];
export type Split = Record<SplitPart, string[]>;

export interface SplitCandidate {
  readonly patient: string;
  /**
   * `voxelDigest` of the patient's scan; decides the order. So neither the secret behind the keys, nor the mask, nor the form in
   * which any version of samflow stores a volume moves a patient.
   */
  readonly digest: string;
  /** Values that the patient's mask holds, in order. */
  readonly labels: readonly number[];
  /** The part that the configuration names, or null. All patients name one, or none does. */
  readonly split: SplitPart | null;
}

export interface SplitSetting {
  readonly seed: number;
  /** Patients held out for validation, and for the test; the rest trains. */
  readonly val: number;
  readonly test: number;
  /** Whether each part gets its share of every combination of labels; with one structure it changes nothing. */
  readonly stratify: boolean;
  /** Cross-validation: how many folds there are, and which one (from 0) is tested on. */
  readonly folds?: number | 'leave-one-out' | undefined;
  readonly fold?: number | undefined;
}

/**
 * Divides patients, never slices: neighbouring slices of one patient are nearly equal, and a score on them would measure
 * memory. Patients are ranked by SHA-256 of seed and data digest; the first `test` are tested on, the next `val` validate, of each
 * combination of labels its share (`shareOf`). A patient's rank depends on nobody else's, so one more patient shifts the split
 * as little as can be. With a `fold`, that fold is tested on instead, and those who come after it in the ranking validate.
 *
 * Faults: SPLIT_TOO_FEW_PATIENTS, SPLIT_MIXED (some patients name their part, some do not), SPLIT_LEAK (a patient twice),
 * SPLIT_FOLDS (patients name their part, and there are folds).
 */
export function splitPatients(candidates: readonly SplitCandidate[], setting: SplitSetting): Split {
  const ranked = rankPatients(candidates, setting);
  if (setting.fold !== undefined) return splitByFold(ranked, setting, setting.fold);
  const named = candidates.filter(({ split }) => split !== null).length;
  if (named === 0) return splitByRank(ranked, setting);
  if (named < candidates.length) {
    throw new Fault('SPLIT_MIXED', {
      at: 'dataset.patients',
      found: `${named} of ${candidates.length} patients with a \`split\``,
      expected: 'all of them or none',
      fix: 'Give every patient a `split`, or none',
    });
  }
  return splitByName(ranked);
}

/** The patients of each fold: every one of them is tested on once. Faults: those of `splitPatients`. */
export function foldPatients(candidates: readonly SplitCandidate[], setting: SplitSetting): string[][] {
  return cutFolds(rankPatients(candidates, setting), setting).map(keysOf);
}

function rankPatients(candidates: readonly SplitCandidate[], { seed }: SplitSetting): SplitCandidate[] {
  refuseRepeated(candidates);
  return [...candidates].sort((a, b) => compare(rank(seed, a), rank(seed, b)));
}

const rank = (seed: number, { digest }: SplitCandidate) =>
  createHash('sha256').update(`${seed}:${digest}`).digest('hex');

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

const keysOf = (patients: readonly SplitCandidate[]): string[] => patients.map(({ patient }) => patient);

function splitByRank(ranked: readonly SplitCandidate[], { val, test, stratify }: SplitSetting): Split {
  if (ranked.length < val + test + 1) {
    const expected = `at least ${val + test + 1}: ${test} for the test, ${val} for validation and one to train on`;
    throw tooFew(
      'split',
      ranked.length,
      expected,
      'Add patients: a score on a patient that the model has seen means nothing',
    );
  }
  return divide(ranked, shareOf(ranked, test, stratify), ranked, { val, stratify });
}

function splitByFold(ranked: readonly SplitCandidate[], setting: SplitSetting, fold: number): Split {
  const folds = cutFolds(ranked, setting);
  const tested = folds[fold];
  if (!tested) throw new RangeError(`fold ${fold} of ${folds.length}`);
  // Who validates rotates with the folds, so that nobody chooses the epoch of all of them.
  return divide(ranked, tested, [...folds.slice(fold + 1), ...folds.slice(0, fold)].flat(), setting);
}

/** `following`: the patients in the order in which they are taken for validation. */
function divide(
  ranked: readonly SplitCandidate[],
  test: readonly SplitCandidate[],
  following: readonly SplitCandidate[],
  { val: count, stratify }: Pick<SplitSetting, 'val' | 'stratify'>,
): Split {
  const others = following.filter((patient) => !test.includes(patient));
  const val = shareOf(others, count, stratify);
  const train = ranked.filter((patient) => !test.includes(patient) && !val.includes(patient));
  return { test: keysOf(test), val: keysOf(val), train: keysOf(train) };
}

function cutFolds(ranked: readonly SplitCandidate[], { folds, val, stratify }: SplitSetting): SplitCandidate[][] {
  if (ranked.some(({ split }) => split !== null)) {
    throw new Fault('SPLIT_FOLDS', {
      at: 'dataset.patients',
      found: 'patients with a `split`, and `split.folds`',
      expected: 'one of the two: in a cross-validation every patient is tested on once',
      fix: 'Leave out the `split` of each patient, or `split.folds`',
    });
  }
  const count = typeof folds === 'number' ? folds : ranked.length;
  const needed = fewestFor(typeof folds === 'number' ? folds : null, val);
  if (ranked.length < needed) {
    const expected = `at least ${needed}: beside a fold's own, ${val} for validation and one to train on`;
    throw tooFew('split.folds', ranked.length, expected, 'Add patients, or ask for fewer folds');
  }
  return foldsOf(ranked, count, stratify);
}

/** How many patients so many folds (null: leave-one-out) take, if the largest is to leave enough of them. */
function fewestFor(folds: number | null, val: number): number {
  if (folds === null) return val + 2;
  let patients = folds;
  while (patients - Math.ceil(patients / folds) < val + 1) patients += 1;
  return patients;
}

function splitByName(ranked: readonly SplitCandidate[]): Split {
  const part = (name: SplitPart) => keysOf(ranked.filter(({ split }) => split === name));
  const split = { train: part('train'), val: part('val'), test: part('test') };
  for (const name of SPLIT_PARTS) {
    if (split[name].length > 0) continue;
    throw new Fault('SPLIT_TOO_FEW_PATIENTS', {
      at: 'dataset.patients',
      found: `no patient with \`split: ${name}\``,
      expected: 'at least one each of train, val and test',
      fix: `Move a patient to ${name}`,
    });
  }
  return split;
}

function refuseRepeated(candidates: readonly SplitCandidate[]): void {
  const keys = new Set<string>();
  const digests = new Map<string, string>();
  for (const { patient, digest } of candidates) {
    if (keys.has(patient)) throw leak(`patient ${patient} twice`);
    keys.add(patient);
    const twin = digests.get(digest);
    if (twin !== undefined) throw leak(`the same data under ${twin} and ${patient}`);
    digests.set(digest, patient);
  }
}
