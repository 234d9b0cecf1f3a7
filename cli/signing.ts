import type { KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { SigningEnvironment } from '../contracts/environment.ts';
import type { Champion } from '../contracts/stages.ts';
import { isSignedBy, publicKeysIn, signed } from '../lib/artifacts/signature.ts';
import { Fault, isFault } from '../lib/fault.ts';
import { readEnvironment } from './environment.ts';

/** Signs a promotion where the environment names a key to do so with. @throws Fault SIGNING_KEY */
export function signerOf(env: NodeJS.ProcessEnv): (name: string, champion: Champion) => Champion {
  const { keyFile } = readEnvironment(SigningEnvironment, env);
  if (keyFile === null) return (_, champion) => champion;
  return using('SAMFLOW_SIGNING_KEY_FILE', 'an Ed25519 private key (PKCS #8, PEM) that nobody else may read', () => {
    // Windows knows no such bits.
    if (process.platform !== 'win32' && (statSync(keyFile).mode & 0o077) !== 0)
      throw new TypeError('readable by others');
    const pem = readFileSync(keyFile, 'utf8');
    return (name, champion) => using('SAMFLOW_SIGNING_KEY_FILE', 'an Ed25519 key', () => signed(name, champion, pem));
  });
}

/** Lets a champion serve only by the word of somebody whom the environment trusts, where it says whom. @throws Fault PROMOTION_UNSIGNED, SIGNING_KEY */
export function requireSignature(name: string, champion: Champion, env: NodeJS.ProcessEnv): void {
  const { trustedFile } = readEnvironment(SigningEnvironment, env);
  if (trustedFile === null) return;
  const keys = using('SAMFLOW_TRUSTED_KEYS_FILE', 'Ed25519 public keys (PEM)', (): readonly KeyObject[] =>
    publicKeysIn(readFileSync(trustedFile, 'utf8')),
  );
  if (isSignedBy(keys, name, champion)) return;
  throw new Fault('PROMOTION_UNSIGNED', {
    at: name,
    found: champion.promotion?.signature
      ? 'a champion that somebody else has signed, or changed since'
      : 'no signature',
    expected: 'that of one of the keys in SAMFLOW_TRUSTED_KEYS_FILE',
    fix: 'Have it promoted by one who has such a key, or name a run with --run',
  });
}

function using<T>(at: string, expected: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isFault(error)) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const found = `a file that cannot be used${code && /^E[A-Z]+$/.test(code) ? ` (${code})` : ''}`;
    throw new Fault('SIGNING_KEY', { at, found, expected, fix: 'Correct the path, the file or its permissions' });
  }
}
