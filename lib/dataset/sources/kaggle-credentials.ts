import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Fault } from '../../fault.ts';
import { accessFault } from './faults.ts';

/** Kaggle as the io worker reaches it. Secrets are sent to `endpoint` and to nobody else. */
export interface KaggleAccess {
  /** Address of Kaggle, without a slash at its end. */
  readonly endpoint: string;
  readonly username: string | null;
  readonly key: string | null;
  /** Kaggle's newer token, which stands alone. */
  readonly token: string | null;
  /** Folder of `kaggle.json`; null: `.kaggle` in the worker's home folder. */
  readonly configDir: string | null;
}

/**
 * The `authorization` of a request, from the environment or else from `kaggle.json`, read anew for each source so that a
 * changed key needs no restart. Null where there is neither: some data sets are shown to everybody.
 * @throws Fault SOURCE_CREDENTIALS
 */
export async function kaggleAuthorization(access: KaggleAccess): Promise<string | null> {
  const { username, key, token } = access;
  if (username !== null && key !== null) return basic(username, key);
  if (token !== null) return `Bearer ${token}`;
  if (username !== null || key !== null) {
    const [has, lacks] = username === null ? ['KEY', 'USERNAME'] : ['USERNAME', 'KEY'];
    throw refuse(`KAGGLE_${lacks}`, `nothing beside KAGGLE_${has}`, 'both, or neither', `Set KAGGLE_${lacks} as well`);
  }
  return readKaggleJson(join(access.configDir ?? join(homedir(), '.kaggle'), 'kaggle.json'));
}

async function readKaggleJson(file: string): Promise<string | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw accessFault(file, error);
  }
  const { username, key } = parse(text);
  if (typeof username === 'string' && username && typeof key === 'string' && key) return basic(username, key);
  const fix = 'Download it again: Kaggle, Settings, API, Create New Token';
  throw refuse('kaggle.json', 'a file of another form', '{"username": …, "key": …}', fix);
}

function parse(text: string): { username?: unknown; key?: unknown } {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    // Its message would quote the text.
    return {};
  }
}

const basic = (username: string, key: string) => `Basic ${Buffer.from(`${username}:${key}`).toString('base64')}`;

const refuse = (at: string, found: string, expected: string, fix: string) =>
  new Fault('SOURCE_CREDENTIALS', { at, found, expected, fix });
