import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { accessFault, cacheFault } from '../../../../lib/dataset/sources/faults.ts';
import { Fault, isFault } from '../../../../lib/fault.ts';

/** An error of the file system as Node makes it: with the path in its message. */
const errorOf = (code: string, path: string): Error =>
  Object.assign(new Error(`${code}: something, open '${path}'`), { code, path, errno: -1, syscall: 'open' });
const PATIENT = '/data/DOE^JANE/1931-02-13/scan.nii';

describe('an error of the file system about a source', () => {
  for (const [errno, code] of [
    ['ENOENT', 'SOURCE_MISSING'],
    ['ELOOP', 'SOURCE_MISSING'],
    ['EACCES', 'SOURCE_DENIED'],
    ['EIO', 'SOURCE_UNREADABLE'],
    ['EMFILE', 'SOURCE_UNREADABLE'],
    ['ENOSPC', 'DISK_FULL'],
  ] as const) {
    it(`${errno} becomes ${code}, which names the file and the errno, and keeps no path`, () => {
      const fault = accessFault(PATIENT, errorOf(errno, PATIENT));
      assert.ok(isFault(fault));
      assert.equal(fault.code, code);
      assert.match(fault.message, new RegExp(`^scan\\.nii: found .*\\(${errno}\\)`));
      assert.doesNotMatch(JSON.stringify([fault, fault.message, fault.stack, fault.cause]), /DOE|1931/);
      assert.equal(fault.cause, undefined);
    });
  }

  it('is told from a real one as from a made one', async () => {
    const path = join('/no-such-folder', 'DOE^JANE', 'scan.nii');
    const error = await readFile(path).catch((caught: unknown) => caught);
    assert.equal((accessFault(path, error) as Fault).code, 'SOURCE_MISSING');
  });

  it('is let through where it is none: a fault, a cancellation, a bug', () => {
    const errors = [new Fault('ZIP_SLIP', { at: 'a', found: 'b', expected: 'c', fix: 'd' }), new TypeError('bug'), 7];
    for (const error of [...errors, AbortSignal.abort().reason]) {
      assert.equal(accessFault(PATIENT, error), error);
      assert.equal(cacheFault(error), error);
    }
  });
});

describe('an error of the cache folder', () => {
  for (const [errno, code] of [
    ['EROFS', 'SOURCE_CACHE'],
    ['EACCES', 'SOURCE_CACHE'],
    ['ENOENT', 'SOURCE_UNREADABLE'],
    ['EDQUOT', 'DISK_FULL'],
  ] as const) {
    it(`${errno} becomes ${code}, without the path`, () => {
      const fault = cacheFault(errorOf(errno, '/srv/cache/http/abc.part'));
      assert.ok(isFault(fault));
      assert.equal(fault.code, code);
      assert.match(fault.message, /^the cache: /);
      assert.doesNotMatch(`${fault.message} ${fault.cause}`, /srv/);
    });
  }

  it('is told from one of the network, which is tried again', () => {
    const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' });
    assert.equal(cacheFault(reset), reset);
  });
});
