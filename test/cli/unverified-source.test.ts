import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { unverifiedSource } from '../../cli/unverified-source.ts';

const sha256 = 'a'.repeat(64);

describe('an archive of the network', () => {
  it('is spoken of where nothing says what it must hash to', () => {
    assert.match(unverifiedSource({ kind: 'http', url: 'https://example.org/a.zip' })!, /source\.sha256/);
    assert.match(unverifiedSource({ kind: 'kaggle', dataset: 'a/b' })!, /source\.sha256/);
  });

  it('is not where a hash is given, nor are data of one’s own', () => {
    assert.equal(unverifiedSource({ kind: 'http', url: 'https://example.org/a.zip', sha256 }), null);
    assert.equal(unverifiedSource({ kind: 'kaggle', dataset: 'a/b', sha256 }), null);
    assert.equal(unverifiedSource({ kind: 'local', path: 'scans' }), null);
    assert.equal(unverifiedSource({ kind: 'phantom', patients: 4, seed: 7 }), null);
  });
});
