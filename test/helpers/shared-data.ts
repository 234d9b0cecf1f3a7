import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Scans and malformed files that lie beside the repository and may not be copied into it. */
const SHARED = new URL('../../../shared/', import.meta.url);

export const sharedPath = (path: string) => fileURLToPath(new URL(path, SHARED));

export const readShared = (path: string): Uint8Array => new Uint8Array(readFileSync(sharedPath(path)));

/** For a test's `skip` option: the reason where the data is absent, else false. */
export const withoutShared = (path: string): string | false =>
  existsSync(sharedPath(path)) ? false : `../shared/${path} is not here`;
