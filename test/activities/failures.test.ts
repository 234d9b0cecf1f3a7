import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { FencedOut, toFailure } from '../../activities/failures.ts';
import { Fault } from '../../lib/fault.ts';

const DETAILS = { at: 'a.nii', found: '50 bytes', expected: '128', fix: 'Fetch it again' };
const NETWORK = new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') });

type Case = [claim: string, error: unknown, type: string, retried: boolean];
const CASES: Case[] = [
  ['bad data ends the run under its own code', new Fault('NIFTI_TRUNCATED', DETAILS), 'NIFTI_TRUNCATED', false],
  ['a store that cannot be reached is tried again', new Fault('STORE_UNREACHABLE', DETAILS), 'STORE_UNREACHABLE', true],
  ['a store that refuses us is not', new Fault('STORE_DENIED', DETAILS), 'STORE_DENIED', false],
  [
    'a server of data that is away is tried again',
    new Fault('SOURCE_UNREACHABLE', DETAILS),
    'SOURCE_UNREACHABLE',
    true,
  ],
  ['a hub that is away is tried again', new Fault('HUB_UNREACHABLE', DETAILS), 'HUB_UNREACHABLE', true],
  ['a hub that refuses us is not', new Fault('HUB_DENIED', DETAILS), 'HUB_DENIED', false],
  ['nor one that does not know the model', new Fault('HUB_MISSING', DETAILS), 'HUB_MISSING', false],
  [
    'a checkpoint that somebody is writing is tried again',
    new Fault('MODEL_FILE_CHANGED', DETAILS),
    'MODEL_FILE_CHANGED',
    true,
  ],
  ['so is one that changed under way', new Fault('ARTIFACT_CHANGED', DETAILS), 'ARTIFACT_CHANGED', true],
  ['an error of the machine is tried again', new Error('ENOSPC'), 'INFRASTRUCTURE', true],
  ['a broken network is tried again, although fetch calls it a TypeError', NETWORK, 'INFRASTRUCTURE', true],
  ['a bug is not tried again', new TypeError('x is undefined'), 'INTERNAL_ERROR', false],
  ['a value of another form is a bug', Object.assign(new Error('[]'), { name: 'ZodError' }), 'INTERNAL_ERROR', false],
  ['an attempt that was taken over is left to its successor', new FencedOut('head moved'), 'ATTEMPT_FENCED_OUT', true],
  ['what is no error at all is told as it is', 'text', 'INFRASTRUCTURE', true],
];

describe('failures of activities', () => {
  for (const [claim, error, type, retried] of CASES) {
    it(claim, () => {
      const failure = toFailure(error);
      assert.ok(failure instanceof ApplicationFailure);
      assert.equal(failure.type, type);
      assert.equal(failure.nonRetryable ?? false, !retried);
      assert.match(failure.message, /\[[A-Z_]+\]$/);
      assert.doesNotMatch(failure.message, /\n/);
    });
  }

  it('carry the sentence, the details and whose data it was', () => {
    const failure = toFailure(new Fault('NIFTI_TRUNCATED', DETAILS), { patient: 'p-0123456789ab' });
    assert.equal(failure.message, 'a.nii: found 50 bytes, expected 128. Fetch it again. [NIFTI_TRUNCATED]');
    const [details] = (failure as ApplicationFailure).details ?? [];
    assert.deepEqual(details, { code: 'NIFTI_TRUNCATED', ...DETAILS, patient: 'p-0123456789ab' });
  });

  it('of cancellation stay cancellations', () => {
    const cancelled = new CancelledFailure('CANCELLED');
    assert.equal(toFailure(cancelled), cancelled);
  });
});
