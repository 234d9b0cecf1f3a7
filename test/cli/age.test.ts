import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { age } from '../../cli/age.ts';

const [SECOND, HOUR] = [1000, 3_600_000];

describe('the age of a run', () => {
  const CASES: [ms: number, text: string][] = [
    [-5 * SECOND, 'just now'],
    [59 * SECOND, 'just now'],
    [60 * SECOND, '1 minute ago'],
    [HOUR - 1, '59 minutes ago'],
    [HOUR, '1 hour ago'],
    [49 * HOUR, '2 days ago'],
  ];
  for (const [ms, text] of CASES) {
    it(`is "${text}" after ${ms / SECOND} s`, () => assert.equal(age(new Date(1_000_000), 1_000_000 + ms), text));
  }
});
