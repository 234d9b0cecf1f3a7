import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { gunzipBounded, gunzipPrefix } from '../../../lib/volume/gunzip.ts';
import { readNifti } from '../../../lib/volume/nifti.ts';
import { assertFault } from '../../helpers/faults.ts';
import { readFixture } from '../../helpers/nifti-fixtures.ts';

test('a stream that goes on behind the voxels is stopped, long before its end', () => {
  const bomb = gzipSync(Buffer.concat([readFixture('int16.nii'), Buffer.alloc(200_000_000)]), { level: 1 });
  const before = process.memoryUsage();
  const start = performance.now();
  assertFault(() => readNifti(bomb, 'bomb.nii.gz'), 'NIFTI_OVERLONG', /more than \d+ bytes, expected 2272 bytes/);
  assert.ok(performance.now() - start < 1000);
  assert.ok(process.memoryUsage().arrayBuffers - before.arrayBuffers < 50_000_000);
});

test('a header that promises more than the stream can hold is refused before memory is taken', () => {
  assertFault(() => gunzipBounded(gzipSync(Buffer.alloc(1000)), 2 ** 31, 'a'), 'NIFTI_TRUNCATED', /2147483648 bytes/);
});

test('a stream that is cut off is refused at every length', () => {
  const whole = readFixture('int16.nii.gz');
  for (let length = 20; length < whole.length; length += 97) {
    const cut = whole.subarray(0, length);
    assert.throws(() => readNifti(cut, 'a'), /\[NIFTI_(TRUNCATED|EMPTY|MAGIC)\]/, `${length} bytes`);
  }
});

test('a flipped bit is found by the checksum', () => {
  const bytes = readFixture('int16.nii.gz');
  bytes[bytes.length - 6]! ^= 1;
  assertFault(() => readNifti(bytes, 'a'), 'NIFTI_GZIP', /incorrect data check/);
});

test('the prefix is there even where the rest is not', () => {
  const whole = gzipSync(readFixture('float64.nii'));
  assert.ok(gunzipPrefix(whole.subarray(0, 2000), 'a').length >= 348);
});
