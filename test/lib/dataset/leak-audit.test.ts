import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leakAudit } from '../../../lib/dataset/leak-audit.ts';
import { assertFault } from '../../helpers/faults.ts';

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
