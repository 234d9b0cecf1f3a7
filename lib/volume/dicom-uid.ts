import { createHash } from 'node:crypto';

/**
 * A UID that follows from its parts: the same parts, the same UID. 2.25 and a UUID as a decimal number (PS3.5 B.2), here
 * one of version 8 (RFC 9562: 122 bits as its maker likes), made of SHA-256.
 */
export function uidOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    // The length in front keeps ('ab', 'c') and ('a', 'bc') apart.
    hash.update(`${part.length}:`).update(part);
  }
  const uuid = hash.digest().subarray(0, 16);
  uuid[6] = (uuid[6]! & 0x0f) | 0x80;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return `2.25.${BigInt(`0x${uuid.toString('hex')}`)}`;
}
