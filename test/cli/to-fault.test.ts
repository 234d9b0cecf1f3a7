import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ServiceError } from '@temporalio/client';
import { NamespaceNotFoundError } from '@temporalio/common';
import { exitCodeOf } from '../../cli/exit-codes.ts';
import { toFault } from '../../cli/to-fault.ts';
import { Fault } from '../../lib/fault.ts';

/** As Temporal's client throws it: what it wanted to do, and the call that failed as the cause. */
const service = (code: number, details: string): Error =>
  new ServiceError('Failed to describe workflow', {
    cause: Object.assign(new Error(`${code} WORD: ${details}`), { code, details, metadata: {} }),
  });
const system = (code: string, syscall: string): Error =>
  Object.assign(new Error(`${code}: text of the system, ${syscall} 'a/b'`), { code, syscall, path: 'a/b' });

const CASES: [claim: string, error: () => unknown, message: RegExp, exit: number][] = [
  [
    'a namespace that the server does not know',
    () => new NamespaceNotFoundError('bogus'),
    /^TEMPORAL_NAMESPACE: found `bogus`, expected a namespace .*namespace create --namespace bogus`\. \[CONFIG\]$/,
    2,
  ],
  [
    'the same, as the core of a worker says it',
    () => new Error('Namespace bogus was not found or otherwise could not be described: Status { code: NotFound'),
    /^TEMPORAL_NAMESPACE: found `bogus`.*\[CONFIG\]$/,
    2,
  ],
  [
    'a server that is not there',
    () => service(14, 'No connection established. Last error: connect ECONNREFUSED'),
    /^Temporal: found no answer \(No connection established.*\), expected a server that answers\..*\[TEMPORAL_UNREACHABLE\]$/,
    1,
  ],
  ['a server that is silent', () => service(4, 'Deadline exceeded'), /found no answer.*\[TEMPORAL_UNREACHABLE\]$/, 1],
  ['a server that refuses', () => service(16, 'bad key'), /a refusal \(bad key\).*API_KEY.*\[TEMPORAL_DENIED\]$/, 1],
  [
    'a server that answers with another error',
    () => service(3, 'unable to parse query\nat line 2'),
    /^Temporal: found an error \(unable to parse query\), .*\[TEMPORAL_FAILED\]$/,
    1,
  ],
  ['a full disk', () => system('ENOSPC', 'write'), /^a\/b: found no space left.*\[DISK_FULL\]$/, 1],
  [
    'a file that may not be read',
    () => system('EACCES', 'open'),
    /^a\/b: found no permission \(EACCES, open\), .*permissions\. \[FILE_ACCESS\]$/,
    2,
  ],
  ['an error of the file system that is not in the list', () => system('EIO', 'read'), /file system \(EIO, read\)/, 2],
  [
    'a bug',
    () => new TypeError('x is undefined\nsecond line'),
    /^samflow: found a bug of its own \(TypeError: x is undefined\), .*CONTRIBUTING\.md.*SAMFLOW_DEBUG=1.*\[INTERNAL_ERROR\]$/,
    1,
  ],
  ['what is no error at all', () => 'text', /a bug of its own \(thrown: text\).*\[INTERNAL_ERROR\]$/, 1],
];

describe('an error that ends a command', () => {
  for (const [claim, error, message, exit] of CASES) {
    it(`is one sentence with a code and the way out for ${claim}`, () => {
      const thrown = error();
      const fault = toFault(thrown);
      assert.match(fault.message, message);
      assert.equal(fault.cause, thrown);
      assert.equal(exitCodeOf(fault), exit);
    });
  }

  it('stays what it is where it is a fault already', () => {
    const fault = new Fault('USAGE', { at: 'a', found: 'b', expected: 'c', fix: 'd' });
    assert.equal(toFault(fault), fault);
  });

  it('is a mistake of the user’s unless machines or samflow failed', () => {
    const exitOf = (code: string) => exitCodeOf(new Fault(code, { at: 'a', found: 'b', expected: 'c', fix: 'd' }));
    assert.deepEqual(['ARTIFACT_MISSING', 'STORE_DENIED', 'SERVER_FAILED', 'WORKER_FAILED'].map(exitOf), [1, 1, 1, 1]);
    assert.deepEqual(['CONFIG', 'WORKER_CONFIG', 'SOURCE_MISSING', 'RUN_UNKNOWN'].map(exitOf), [2, 2, 2, 2]);
  });
});

describe('an error of the file system itself', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'samflow-fault-'));
    await writeFile(join(folder, 'file'), '');
  });
  after(() => rm(folder, { recursive: true }));

  it('names the path and what is there', async () => {
    const faultOf = async (name: string) => toFault(await readFile(join(folder, name)).catch((error) => error)).message;
    assert.match(await faultOf('none'), /none: found nothing at this path \(ENOENT, open\)/);
    assert.match(await faultOf('file/below'), /below: found a file where a folder should be \(ENOTDIR, open\)/);
  });
});
