import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { requireSignature, signerOf } from '../../cli/signing.ts';
import type { Champion } from '../../contracts/stages.ts';
import { assertFault } from '../helpers/faults.ts';

const ref = (sha256: string) => ({ kind: 'model-package', key: `cas/sha256/${sha256}`, sha256, bytes: 1 });
const CHAMPION: Champion = {
  ...{ package: ref('a'.repeat(64)), run: 'r-1', seen: { fingerprint: 'f', settings: 's' } },
  promotion: {
    by: 'samflow:bob@desk',
    at: '2026-01-02T03:04:05.000Z',
    author: 'samflow:ann@desk',
    metrics: 'm',
    before: null,
  },
};

describe('a promotion that somebody signs', () => {
  let folder: string;
  const file = (name: string): string => join(folder, name);
  const trusting = (name: string) => ({ SAMFLOW_TRUSTED_KEYS_FILE: file(name) });
  const signing = (name: string) => signerOf({ SAMFLOW_SIGNING_KEY_FILE: file(name) })('liver', CHAMPION);
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'samflow-signing-'));
    const pems: string[] = [];
    for (const name of ['bob', 'eve']) {
      const { privateKey, publicKey } = generateKeyPairSync('ed25519');
      pems.push(publicKey.export({ type: 'spki', format: 'pem' }).toString());
      await writeFile(file(name), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    }
    await writeFile(file('both.pub'), pems.join(''));
    await writeFile(file('eve.pub'), pems[1]!);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeFile(file('ec'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  });
  after(() => rm(folder, { recursive: true }));

  it('serves who trusts the key, and nobody who trusts others', () => {
    const champion = signing('bob');
    assert.doesNotThrow(() => requireSignature('liver', champion, trusting('both.pub')));
    assertFault(() => requireSignature('liver', champion, trusting('eve.pub')), 'PROMOTION_UNSIGNED', /somebody else/);
    assertFault(() => requireSignature('liver', CHAMPION, trusting('both.pub')), 'PROMOTION_UNSIGNED', /no signature/);
    const { promotion, ...byScores } = CHAMPION;
    assertFault(() => requireSignature('liver', byScores, trusting('both.pub')), 'PROMOTION_UNSIGNED');
  });

  it('is that of one model, one name, one person and one time', () => {
    const champion = signing('bob');
    const changed: [string, Champion][] = [
      ['spleen', champion],
      ['liver', { ...champion, package: ref('b'.repeat(64)) }],
      ['liver', { ...champion, run: 'r-2' }],
      ['liver', { ...champion, promotion: { ...champion.promotion!, by: 'samflow:eve@desk' } }],
      ['liver', { ...champion, promotion: { ...champion.promotion!, at: '2026-01-03T03:04:05.000Z' } }],
    ];
    for (const [name, other] of changed) {
      assertFault(() => requireSignature(name, other, trusting('both.pub')), 'PROMOTION_UNSIGNED');
    }
    // What a later retraining notes of its look is no part of it.
    const looked = { ...champion, seen: { fingerprint: 'g', settings: 's' } };
    assert.doesNotThrow(() => requireSignature('liver', looked, trusting('both.pub')));
  });

  it('is asked of nobody where nobody is named', () => {
    assert.equal(signerOf({})('liver', CHAMPION), CHAMPION);
    assert.doesNotThrow(() => requireSignature('liver', CHAMPION, {}));
  });

  it('needs keys of its kind, of which the private one is its owner’s alone', async () => {
    assertFault(() => signing('ec'), 'SIGNING_KEY', /^SAMFLOW_SIGNING_KEY_FILE: found a file that cannot be used/);
    assertFault(() => signing('nowhere'), 'SIGNING_KEY', /\(ENOENT\)/);
    assertFault(
      () => requireSignature('liver', CHAMPION, trusting('bob')),
      'SIGNING_KEY',
      /^SAMFLOW_TRUSTED_KEYS_FILE/,
    );
    if (process.platform === 'win32') return;
    await chmod(file('eve'), 0o644);
    assertFault(() => signing('eve'), 'SIGNING_KEY');
  });
});
