import assert from 'node:assert/strict';
import { test } from 'node:test';
import { uidOf } from '../../../lib/volume/dicom-uid.ts';

test('a UID follows from its parts, in their order and with their borders', () => {
  assert.equal(uidOf('a', 'b'), uidOf('a', 'b'));
  assert.equal(new Set([uidOf('a', 'b'), uidOf('b', 'a'), uidOf('ab'), uidOf('ab', ''), uidOf('', 'ab')]).size, 5);
});

test('a UID is a UUID of version 8 as a decimal number, and within 64 characters', () => {
  for (let n = 0; n < 200; n += 1) {
    const uid = uidOf('part', String(n));
    assert.match(uid, /^2\.25\.(0|[1-9]\d*)$/);
    assert.ok(uid.length <= 64);
    const hex = BigInt(uid.slice(5)).toString(16).padStart(32, '0');
    assert.match(hex, /^.{12}8.{3}[89ab].{15}$/);
  }
});
