import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { Champion } from '../../contracts/stages.ts';
import { canonicalJson } from './canonical-json.ts';

/** A promotion's record as it was signed: which model serves under which name, who has said so, and when. */
function statementOf(name: string, { package: model, run, promotion }: Champion): Buffer {
  const { signature, ...said } = promotion ?? { signature: undefined };
  return Buffer.from(canonicalJson({ name, package: model.sha256, run, promotion: said }));
}

/** First digits of the SHA-256 of a public key (SPKI, DER). */
const idOf = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16);

/** Signs a promotion by Ed25519 (RFC 8032). @param pem private key, PKCS #8; @throws where it is none of that kind */
export function signed(name: string, champion: Champion, pem: string): Champion {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== 'ed25519' || !champion.promotion) throw new TypeError('no Ed25519 key');
  const value = sign(null, statementOf(name, champion), key).toString('base64');
  return { ...champion, promotion: { ...champion.promotion, signature: { key: idOf(createPublicKey(key)), value } } };
}

/** Public keys of a PEM file that may hold several. @throws where one of them is no Ed25519 key, or there is none */
export function publicKeysIn(pem: string): readonly KeyObject[] {
  const keys = [...pem.matchAll(/-----BEGIN PUBLIC KEY-----[\s\S]+?-----END PUBLIC KEY-----/g)].map(([text]) =>
    createPublicKey(text),
  );
  if (keys.length > 0 && keys.every(({ asymmetricKeyType }) => asymmetricKeyType === 'ed25519')) return keys;
  throw new TypeError('no Ed25519 key');
}

/** Whether one of the keys has signed that this model serves under this name. */
export function isSignedBy(keys: readonly KeyObject[], name: string, champion: Champion): boolean {
  const { signature } = champion.promotion ?? {};
  const key = keys.find((one) => idOf(one) === signature?.key);
  return Boolean(
    key && signature && verify(null, statementOf(name, champion), key, Buffer.from(signature.value, 'base64')),
  );
}
