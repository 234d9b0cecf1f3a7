import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { CodecEnvironment } from '../contracts/environment.ts';
import { Fault } from '../lib/fault.ts';

/** A key of AES-256 and the id under which histories name it. */
export interface CodecKey {
  readonly id: string;
  readonly key: KeyObject;
}

const KEY_BYTES = 32;
const ENTRY = /^([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([A-Za-z0-9+/_-]{43}=?)$/;

/**
 * The keys that the environment names, in their order: the first one encrypts, all decrypt. None where it names none.
 * @throws Fault CODEC_KEYS; no message holds a key
 */
export function readCodecKeys({ keys, keysFile }: CodecEnvironment): readonly CodecKey[] {
  if (keysFile !== null) return parseCodecKeys(readSecret(keysFile), 'SAMFLOW_CODEC_KEYS_FILE');
  return keys === null ? [] : parseCodecKeys(keys, 'SAMFLOW_CODEC_KEYS');
}

/** Reads `id:base64,id:base64`; in a file lines may take the commas' place, and `#` begins a comment. */
export function parseCodecKeys(text: string, at: string): readonly CodecKey[] {
  const entries = text
    .replace(/#.*$/gm, '')
    .split(/[\s,]+/)
    .filter(Boolean);
  if (entries.length === 0) throw keysFault(at, 'no key', 'Name at least one, or leave the variable out');
  const keys = entries.map((entry, index): CodecKey => {
    const [, id, base64] = ENTRY.exec(entry) ?? [];
    const bytes = Buffer.from(base64 ?? '', 'base64');
    if (!id || bytes.length !== KEY_BYTES) {
      throw keysFault(at, `entry ${index + 1} that is none`, 'Make a key with `openssl rand -base64 32`');
    }
    return { id, key: createSecretKey(bytes) };
  });
  const twice = keys.find(({ id }, index) => keys.findIndex((other) => other.id === id) !== index);
  if (twice) throw keysFault(at, `the id ${twice.id} twice`, 'Give each key an id of its own');
  return keys;
}

/** Tells two lists of keys apart and tells nothing of the keys; a word where there are none. */
export function keysFingerprint(keys: readonly CodecKey[]): string {
  if (keys.length === 0) return 'in clear';
  const hash = createHash('sha256');
  for (const { id, key } of keys) hash.update(`${id}\0`).update(key.export());
  return hash.digest('hex').slice(0, 16);
}

function readSecret(file: string): string {
  const at = 'SAMFLOW_CODEC_KEYS_FILE';
  try {
    const { mode } = statSync(file);
    // Windows knows no such bits.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw keysFault(at, 'a file that others may read', 'Take the rights of others away: chmod 600');
    }
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!/^E[A-Z]+$/.test(code)) throw error;
    throw keysFault(at, `a file that cannot be read (${code})`, 'Correct the path, or its permissions');
  }
}

function keysFault(at: string, found: string, fix: string): Fault {
  return new Fault('CODEC_KEYS', { at, found, expected: 'keys as id:base64, each of 32 bytes', fix });
}
