import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  foldPatients,
  type SplitCandidate,
  type SplitPart,
  type SplitSetting,
  splitPatients,
} from '../../../lib/dataset/split.ts';
import { assertFault } from '../../helpers/faults.ts';

const candidate = (number: number, split: SplitPart | null = null, labels = [1]): SplitCandidate => ({
  patient: `p-${number}`,
  digest: `digest ${number}`,
  labels,
  split,
});
const patients = (count: number) => Array.from({ length: count }, (_, number) => candidate(number));
const SETTING = { seed: 7, val: 1, test: 1, stratify: true };

test('each patient is in one part, and the parts have the sizes asked for', () => {
  const split = splitPatients(patients(10), { ...SETTING, val: 2, test: 3 });
  assert.deepEqual([split.train.length, split.val.length, split.test.length], [5, 2, 3]);
  assert.equal(new Set([...split.train, ...split.val, ...split.test]).size, 10);
});

test('the split does not depend on the order of the patients, nor on their keys', () => {
  const split = splitPatients(patients(10), SETTING);
  assert.deepEqual(splitPatients(patients(10).reverse(), SETTING), split);
  const renamed = patients(10).map((one) => ({ ...one, patient: `q-${one.patient}` }));
  const rename = (keys: string[]) => keys.map((key) => `q-${key}`);
  assert.deepEqual(splitPatients(renamed, SETTING), {
    test: rename(split.test),
    val: rename(split.val),
    train: rename(split.train),
  });
});

test('another seed gives another split', () => {
  const tests = new Set(
    Array.from({ length: 30 }, (_, seed) => splitPatients(patients(10), { ...SETTING, seed }).test[0]),
  );
  assert.ok(tests.size > 5);
});

test('one more patient leaves the others where they were, or moves them by one place', () => {
  const before = splitPatients(patients(20), { ...SETTING, seed: 3, val: 4, test: 4 });
  const after = splitPatients(patients(21), { ...SETTING, seed: 3, val: 4, test: 4 });
  const moved = before.train.filter((patient) => !after.train.includes(patient));
  assert.deepEqual(moved, []);
});

test('too few patients are refused with the number that is needed', () => {
  assertFault(
    () => splitPatients(patients(1), SETTING),
    'SPLIT_TOO_FEW_PATIENTS',
    /found 1 patient, expected at least 3/,
  );
  assertFault(
    () => splitPatients(patients(4), { ...SETTING, val: 2, test: 2 }),
    'SPLIT_TOO_FEW_PATIENTS',
    /at least 5/,
  );
  assert.equal(splitPatients(patients(3), SETTING).train.length, 1);
});

test('parts named by the user are kept', () => {
  const named = [candidate(1, 'test'), candidate(2, 'train'), candidate(3, 'val'), candidate(4, 'train')];
  const { train, val, test: held } = splitPatients(named, SETTING);
  assert.deepEqual([train.sort(), val, held], [['p-2', 'p-4'], ['p-3'], ['p-1']]);
});

test('a part without a patient, and parts for some patients only, are refused', () => {
  assertFault(
    () => splitPatients([candidate(1, 'train'), candidate(2, 'test')], SETTING),
    'SPLIT_TOO_FEW_PATIENTS',
    /no patient with `split: val`/,
  );
  assertFault(() => splitPatients([candidate(1, 'train'), candidate(2)], SETTING), 'SPLIT_MIXED', /1 of 2/);
});

test('one patient twice, and one scan under two ids, are refused', () => {
  assertFault(() => splitPatients([...patients(4), candidate(2)], SETTING), 'SPLIT_LEAK', /p-2 twice/);
  const twin = { ...candidate(9), digest: 'digest 1' };
  assertFault(() => splitPatients([...patients(4), twin], SETTING), 'SPLIT_LEAK', /the same data under p-1 and p-9/);
});

/** Of 24 patients every fourth has both structures, every sixth the second alone. */
const mixed = (count: number) =>
  Array.from({ length: count }, (_, number) =>
    candidate(number, null, number % 4 === 0 ? [1, 2] : number % 6 === 1 ? [2] : [1]),
  );
const countOf = (keys: readonly string[], all: readonly SplitCandidate[], combination: string): number =>
  all.filter(({ patient, labels }) => keys.includes(patient) && labels.join() === combination).length;

test('each part gets its share of every combination of labels, rounded down or up', () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const all = mixed(24);
    const split = splitPatients(all, { seed, val: 4, test: 8, stratify: true });
    assert.deepEqual([split.train.length, split.val.length, split.test.length], [12, 4, 8]);
    for (const combination of ['1', '1,2', '2']) {
      const total = all.filter(({ labels }) => labels.join() === combination).length;
      const tested = countOf(split.test, all, combination);
      assert.ok(Math.abs(tested - total / 3) < 1, `${combination}: ${tested} of ${total} tested`);
      const rest = total - tested;
      assert.ok(Math.abs(countOf(split.val, all, combination) - rest / 4) < 1, combination);
    }
  }
});

test('with one combination of labels stratifying changes nothing, and without it labels do not count', () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const setting = { seed, val: 3, test: 3 };
    const plain = splitPatients(patients(12), { ...setting, stratify: false });
    assert.deepEqual(splitPatients(patients(12), { ...setting, stratify: true }), plain);
    const unlike = patients(12).map((one, at) => ({ ...one, labels: at < 6 ? [1] : [2] }));
    assert.deepEqual(splitPatients(unlike, { ...setting, stratify: false }), plain);
  }
});

test('one more patient moves no more than one other of each combination out of the training', () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const setting = { seed, val: 4, test: 6, stratify: true };
    const before = splitPatients(mixed(24), setting);
    const after = splitPatients(mixed(25), setting);
    const moved = before.train.filter((patient) => !after.train.includes(patient));
    assert.ok(moved.length <= 3, moved.join());
  }
});

const folded = (folds: SplitSetting['folds'], change: Partial<SplitSetting> = {}): SplitSetting => ({
  ...SETTING,
  ...change,
  folds,
});

test('in a cross-validation each patient is tested once, trains and validates in other folds, and folds are of one size', () => {
  const setting = folded(4, { val: 2 });
  const all = patients(14);
  const folds = foldPatients(all, setting);
  assert.deepEqual(folds.map(({ length }) => length).sort(), [3, 3, 4, 4]);
  const tested = folds.map((_, fold) => splitPatients(all, { ...setting, fold }));
  assert.deepEqual(
    tested.map(({ test }) => test),
    folds,
  );
  assert.deepEqual(tested.flatMap(({ test }) => test).sort(), all.map(({ patient }) => patient).sort());
  for (const { train, val, test: held } of tested) {
    assert.equal(val.length, 2);
    assert.deepEqual([...train, ...val, ...held].sort(), all.map(({ patient }) => patient).sort());
  }
  assert.equal(new Set(tested.flatMap(({ val }) => val)).size, 8, 'others validate in each fold');
});

test('the folds of a ranking are its pieces, and those who come next validate', () => {
  const setting = folded(3);
  const [first, second, third] = foldPatients(patients(9), setting);
  const ranking = splitPatients(patients(9), { ...SETTING, test: 3 });
  assert.deepEqual([first, ranking.val], [ranking.test, [second![0]]]);
  const validating = [0, 1, 2].map((fold) => splitPatients(patients(9), { ...setting, fold }).val[0]);
  assert.deepEqual(validating, [second![0], third![0], first![0]]);
});

test('leave-one-out tests one patient in each of as many folds as there are patients', () => {
  const folds = foldPatients(mixed(7), folded('leave-one-out'));
  assert.deepEqual(
    folds.map(({ length }) => length),
    [1, 1, 1, 1, 1, 1, 1],
  );
  assert.equal(new Set(folds.flat()).size, 7);
  const { train, val } = splitPatients(mixed(7), folded('leave-one-out', { fold: 6 }));
  assert.deepEqual([train.length, val.length], [5, 1]);
});

test('folds are stratified: of each combination every fold has as many, or one more', () => {
  const all = mixed(26);
  const folds = foldPatients(all, folded(5));
  const spread = (of: number[]) => Math.max(...of) - Math.min(...of);
  assert.ok(spread(folds.map(({ length }) => length)) <= 1);
  for (const combination of ['1', '1,2', '2']) {
    assert.ok(spread(folds.map((fold) => countOf(fold, all, combination))) <= 1, combination);
  }
});

test('one more patient moves at most one other across each border between folds', () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const setting = folded(5, { seed });
    const before = foldPatients(patients(20), setting);
    const after = foldPatients(patients(21), setting);
    const moved = before.flatMap((fold, at) => fold.filter((patient) => !after[at]!.includes(patient)));
    assert.ok(moved.length <= 4, `${moved.length} moved`);
  }
});

test('too few patients for the folds, and patients that name a part, are refused', () => {
  assertFault(
    () => foldPatients(patients(3), folded(4)),
    'SPLIT_TOO_FEW_PATIENTS',
    /split\.folds: found 3 .* at least 4:/,
  );
  assertFault(() => foldPatients(patients(3), folded(2)), 'SPLIT_TOO_FEW_PATIENTS', /at least 4:/);
  assertFault(() => foldPatients(patients(2), folded('leave-one-out')), 'SPLIT_TOO_FEW_PATIENTS', /at least 3:/);
  assert.equal(foldPatients(patients(3), folded('leave-one-out')).length, 3);
  const named = [candidate(1, 'test'), candidate(2, 'train'), candidate(3, 'val'), candidate(4, 'train')];
  assertFault(() => splitPatients(named, folded(2, { fold: 0 })), 'SPLIT_FOLDS', /patients with a `split`/);
});
