import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leakAudit, type SplitCandidate, type SplitPart, splitPatients } from '../../../lib/dataset/split.ts';
import { assertFault } from '../../helpers/faults.ts';

const candidate = (number: number, split: SplitPart | null = null): SplitCandidate => ({
  patient: `p-${number}`,
  digest: `digest ${number}`,
  split,
});
const patients = (count: number) => Array.from({ length: count }, (_, number) => candidate(number));
const SETTING = { seed: 7, val: 1, test: 1 };

test('each patient is in one part, and the parts have the sizes asked for', () => {
  const split = splitPatients(patients(10), { seed: 7, val: 2, test: 3 });
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
  const before = splitPatients(patients(20), { seed: 3, val: 4, test: 4 });
  const after = splitPatients(patients(21), { seed: 3, val: 4, test: 4 });
  const moved = before.train.filter((patient) => !after.train.includes(patient));
  assert.deepEqual(moved, []);
});

test('too few patients are refused with the number that is needed', () => {
  assertFault(
    () => splitPatients(patients(1), SETTING),
    'SPLIT_TOO_FEW_PATIENTS',
    /found 1 patient, expected at least 3/,
  );
  assertFault(() => splitPatients(patients(4), { seed: 7, val: 2, test: 2 }), 'SPLIT_TOO_FEW_PATIENTS', /at least 5/);
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

const SPLIT = { train: ['a', 'b'], val: ['c'], test: ['d'] };
const audited = (digests: Record<string, (string | null)[]>) =>
  Object.entries(digests).map(([patient, of]) => ({ patient, digests: of }));

test('the audit counts what it compared', () => {
  const record = leakAudit(SPLIT, audited({ a: ['1', null], b: ['2'], c: ['3', '4'], d: [null] }));
  assert.deepEqual(record, { patients: 4, slices: 4, blank: 2 });
});

test('a slice that stands in two parts is a leak; twice in one part it is not', () => {
  assertFault(
    () => leakAudit(SPLIT, audited({ a: ['1'], b: ['2'], c: ['3'], d: ['2'] })),
    'SPLIT_LEAK',
    /the same slice in b \(train\) and d \(test\)/,
  );
  assert.equal(leakAudit(SPLIT, audited({ a: ['1'], b: ['1'], c: ['3'], d: ['4'] })).slices, 4);
});

test('blank slices are no leak', () => {
  assert.equal(leakAudit(SPLIT, audited({ a: [null], b: [null], c: [null], d: [null] })).blank, 4);
});

test('the audit fails closed: a patient in two parts or without hashes is a leak', () => {
  const all = audited({ a: ['1'], b: ['2'], c: ['3'], d: ['4'] });
  assertFault(() => leakAudit({ ...SPLIT, val: ['a'] }, all), 'SPLIT_LEAK', /patient a in train and val/);
  assertFault(() => leakAudit({ ...SPLIT, train: ['a', 'a'] }, all), 'SPLIT_LEAK');
  assertFault(() => leakAudit(SPLIT, all.slice(1)), 'SPLIT_LEAK', /no slice hashes for patient a/);
});
