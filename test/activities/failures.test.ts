import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import {
  ApplicationFailure,
  CancelledFailure,
  defaultFailureConverter,
  defaultPayloadConverter,
} from '@temporalio/common';
import { FencedOut, toFailure } from '../../activities/failures.ts';
import type { FailureDetails } from '../../contracts/failure.ts';
import { Fault } from '../../lib/fault.ts';

const DETAILS = { at: 'a.nii', found: '50 bytes', expected: '128', fix: 'Fetch it again' };
const NETWORK = new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') });

function parseError(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}

function refused(): Error {
  const cause = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' });
  return new TypeError('fetch failed', { cause });
}

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

const systemError = (code: string, syscall = 'write', path?: string): Error =>
  Object.assign(new Error(`${code}: no, ${syscall}`), { code, syscall, ...(path !== undefined && { path }) });
const noConnection = new Fault('STORE_UNREACHABLE', DETAILS, { cause: systemError('EMFILE', 'connect') });

/** What a machine lacks: another one, or the same one later, may have it. */
const MACHINE: [claim: string, error: unknown, type: string, named: RegExp][] = [
  ['a full disk', systemError('ENOSPC'), 'DISK_FULL', /^TMPDIR of the worker: .*ENOSPC.*TMPDIR name one/],
  ['a quota', systemError('EDQUOT'), 'DISK_FULL', /EDQUOT/],
  ['a bound on the size of files', systemError('EFBIG'), 'DISK_FULL', /EFBIG/],
  ['a folder that is read-only', systemError('EROFS', 'mkdtemp', `${tmpdir()}/x`), 'DISK_DENIED', /EROFS.*TMPDIR/],
  ['or not there', systemError('ENOENT', 'mkdtemp', `${tmpdir()}/x`), 'DISK_DENIED', /ENOENT/],
  ['file handles', systemError('EMFILE', 'open'), 'WORKER_FILE_HANDLES', /EMFILE.*ulimit -n/],
  ['file handles for a connection', noConnection, 'WORKER_FILE_HANDLES', /EMFILE/],
  ['memory for an array', new RangeError('Array buffer allocation failed'), 'WORKER_OUT_OF_MEMORY', /more memory/],
  [
    'memory of a thread',
    Object.assign(new Error('x'), { code: 'ERR_WORKER_OUT_OF_MEMORY' }),
    'WORKER_OUT_OF_MEMORY',
    /./,
  ],
  ['memory in native code', new Error('Exception: std::bad_alloc'), 'WORKER_OUT_OF_MEMORY', /./],
  ['memory of a device', new Error('CUBLAS_STATUS_ALLOC_FAILED in cuda_call'), 'WORKER_OUT_OF_MEMORY', /./],
];

describe('what a worker’s machine lacks', () => {
  for (const [claim, error, type, named] of MACHINE) {
    it(`is named, with the way out, and tried again: ${claim}`, () => {
      const failure = toFailure(error) as ApplicationFailure;
      assert.deepEqual([failure.type, failure.nonRetryable ?? false], [type, false]);
      assert.match(failure.message, named);
      assert.ok(!failure.message.includes(tmpdir()));
    });
  }

  it('is not what is missing elsewhere, or a bug', () => {
    assert.equal(
      (toFailure(systemError('ENOENT', 'open', '/elsewhere/x')) as ApplicationFailure).type,
      'INFRASTRUCTURE',
    );
    assert.equal((toFailure(new RangeError('Invalid array length')) as ApplicationFailure).type, 'INTERNAL_ERROR');
    assert.equal(
      (toFailure(new Fault('SOURCE_CACHE', DETAILS, { cause: systemError('EROFS') })) as ApplicationFailure).type,
      'SOURCE_CACHE',
    );
  });
});

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

  const PATH = '/data/Doe_John/1931-02-13/ct.nii.gz';
  const denied = (code = 'EACCES', text = 'permission denied'): Error =>
    Object.assign(new Error(`${code}: ${text}, open '${PATH}'`), { errno: -13, code, syscall: 'open', path: PATH });

  /** All of it that can be seen: in a history, in a log that prints it or its properties. */
  const seenOf = (failure: Error): string => {
    const written = defaultFailureConverter.errorToFailure(failure, defaultPayloadConverter);
    return [JSON.stringify(written), JSON.stringify(failure), inspect(failure, { depth: 9, showHidden: true })].join();
  };

  /** What the file system, a parser or Node itself may throw, and what is told of it. */
  const FOREIGN: [claim: string, error: unknown, told: string][] = [
    ['a system error keeps its code and the base name', denied('EIO', 'i/o error'), "EIO: i/o error, open 'ct.nii.gz'"],
    ['one that is wrapped does so too', new Error(`no ${PATH}`, { cause: denied() }), 'no ct.nii.gz (EACCES)'],
    ['a path that nobody has named is cut off', new Error('cannot read /data/Doe, John/ct.nii'), 'cannot read …'],
    ['a quoted one with its spaces', new Error("no 'Doe John/ct.nii' here"), 'no …'],
    ['and one of Windows', new Error('no C:\\Doe John\\ct.nii'), 'no …'],
    ['a message that begins with one is not told', new Error(`${PATH} is odd`), 'Error'],
    ['nor is text that was read', parseError('Doe John'), "SyntaxError: Unexpected token 'D', …"],
    ['what is no error at all is cut too', `lost ${PATH}`, 'lost …'],
    ['the reason behind a failed request stays', refused(), 'fetch failed (ECONNREFUSED)'],
    ['a message without a path stays', new Error('socket hang up'), 'socket hang up'],
  ];
  for (const [claim, error, told] of FOREIGN) {
    it(`name no path: ${claim}`, () => {
      const failure = toFailure(error);
      assert.ok(
        failure.message.startsWith(`${told}. This is`) || failure.message.startsWith(`${told} [`),
        failure.message,
      );
      assert.doesNotMatch(seenOf(failure), /doe|john|1931/i);
    });
  }

  it('of a fault carry the system’s code, and neither the error behind it nor a path that it has put into the sentence', () => {
    const careless = { ...DETAILS, at: PATH, found: denied().message };
    const failure = toFailure(new Fault('SOURCE_DENIED', careless, { cause: denied() })) as ApplicationFailure;
    assert.equal((failure.details![0] as FailureDetails).reason, 'EACCES');
    assert.match(failure.message, /^ct\.nii\.gz: found EACCES: permission denied, open 'ct\.nii\.gz', expected/);
    assert.doesNotMatch(seenOf(failure), /doe|john|1931/i);
  });

  it('hold no stack, whoever made them', () => {
    const own = ApplicationFailure.create({ message: 'own [OWN]', type: 'OWN' });
    const cancelled = new CancelledFailure('CANCELLED');
    for (const error of [own, cancelled, new TypeError('x'), new Error('y'), new Fault('MASK_EMPTY', DETAILS)]) {
      assert.doesNotMatch(seenOf(toFailure(error)), /failures\.test\.ts|\n\s+at /);
    }
  });

  it('of an attempt that was fenced out ask for a longer wait each time, up to an hour', () => {
    const minutes = [1, 2, 3, 4, 7, 400].map(
      (attempt) =>
        Number((toFailure(new FencedOut('head moved'), {}, attempt) as ApplicationFailure).nextRetryDelay) / 60_000,
    );
    assert.deepEqual(minutes, [1, 2, 4, 8, 60, 60]);
  });

  it('of cancellation stay cancellations', () => {
    const cancelled = new CancelledFailure('CANCELLED');
    assert.equal(toFailure(cancelled), cancelled);
  });
});
