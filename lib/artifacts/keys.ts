import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { canonicalJson } from './canonical-json.ts';

/**
 * The key scheme, all of it:
 * - `cas/sha256/<hex>`          immutable bytes under their own hash
 * - `memo/<stage>/<hex>.json`   a stage's result, under the hash of what made it
 * - `models/<name>/champion.json`, `models/<name>/candidate.json`   pointers, the only keys that change (by If-Match)
 * - `runs/<run>/result.json`, `runs/<run>/lineage.json`   what a run gave, and what it was started with and used;
 *   `runs/<run>/failure.json` is the latter of its last attempt that failed
 * - `runs/<hex>/head.json`, `runs/<hex>/steps/…`          the checkpoints of a training: activities/checkpoint-chain.ts
 * - `deletions/<time>-<hex>.json`   who had which run or patient deleted
 */

export const DELETIONS = 'deletions/';

/** Node's hash takes less than 2 GiB at a time, and blocks the event loop while it does. */
const HASH_SLICE_BYTES = 64 * 2 ** 20;

/** As `sha256Hex`, for bytes of any length: others have their turn in between. */
export async function sha256OfLarge(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (let from = 0; from < bytes.length; from += HASH_SLICE_BYTES) {
    if (from > 0) await setImmediate();
    hash.update(bytes.subarray(from, from + HASH_SLICE_BYTES));
  }
  return hash.digest('hex');
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function casKey(sha256: string): string {
  return `cas/sha256/${sha256}`;
}

/** Which model serves under a name, and which one waits for a yes. */
export const championKey = (name: string): string => `models/${name}/champion.json`;
export const candidateKey = (name: string): string => `models/${name}/candidate.json`;

/** What decides a stage's result. `version` goes up when the stage's code makes other bytes of the same inputs. */
export interface MemoIdentity {
  stage: string;
  version: number;
  parameters: unknown;
  /** SHA-256 (hex) of every input, in a fixed order. */
  inputs: readonly string[];
}

export function memoKey({ stage, version, parameters, inputs }: MemoIdentity): string {
  const hash = sha256Hex(canonicalJson({ stage, version, parameters, inputs }));
  return `memo/${stage}/${hash}.json`;
}

/** The stage whose result lies under a key of `memo/`. */
export const stageOfKey = (key: string): string => key.split('/')[1] ?? '';

/** Under which the checkpoints of a training lie. One that is told to train again must not go on where the last one ended. */
export function chainKey(memoKey: string, token: string | undefined): string {
  const hex = memoKey.replace(/^.*\/|\.json$/g, '');
  return token === undefined ? hex : sha256Hex(`${hex} ${token}`);
}
