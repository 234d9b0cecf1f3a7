import { createHash } from 'node:crypto';

/** SHA-256 (hex) of a list of strings and numbers; the separators are unambiguous, so `['ab']` differs from `['a', 'b']`. */
export function digestOf(parts: readonly (string | number | null)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
