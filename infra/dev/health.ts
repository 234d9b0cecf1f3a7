import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The `temporal` command against one server, without the user's own profiles and variables. */
export class TemporalCommand {
  readonly #binary: string;
  readonly #address: string;
  readonly #options: { readonly env: NodeJS.ProcessEnv; readonly signal?: AbortSignal | undefined };

  constructor(
    binary: string,
    address: string,
    options: { readonly env: NodeJS.ProcessEnv; readonly signal?: AbortSignal | undefined },
  ) {
    this.#binary = binary;
    this.#address = address;
    this.#options = options;
  }

  async run(...args: string[]): Promise<string> {
    const options = { ...this.#options, timeout: 10_000 };
    const { stdout } = await run(this.#binary, [...args, '--address', this.#address, '--output', 'json'], options);
    return stdout;
  }

  /** Up is when the namespace is there: that is what workers and clients ask for first. */
  async isUp(): Promise<boolean> {
    return this.run('operator', 'namespace', 'describe', '--namespace', 'default').then(
      () => true,
      () => false,
    );
  }

  /**
   * Registers what is missing. The server's own `--search-attribute` does so only when it makes the namespace: a data file
   * of an older samflow would never get a new attribute.
   */
  async ensureSearchAttributes(wanted: Readonly<Record<string, string>>): Promise<void> {
    const missing = async () => {
      const { customAttributes = {} } = JSON.parse(await this.run('operator', 'search-attribute', 'list'));
      return Object.keys(wanted).filter((name) => !(name in customAttributes));
    };
    const names = await missing();
    if (names.length === 0) return;
    const args = names.flatMap((name) => ['--name', name, '--type', attributeType(wanted[name] ?? '')]);
    await this.run('operator', 'search-attribute', 'create', ...args);
    for (let tries = 0; tries < 50 && (await missing()).length > 0; tries++) await sleep(100);
  }
}

/** `KEYWORD_LIST` (as in the SDK) or `KeywordList` → `KeywordList`, as the command wants it. */
export function attributeType(type: string): string {
  if (!/^[A-Z]+(_[A-Z]+)*$/.test(type)) return type;
  return type.toLowerCase().replace(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase());
}

/** Any answer will do, as long as it is versitygw's: without a signature it refuses. */
export async function s3IsUp(endpoint: string): Promise<boolean> {
  try {
    const response = await fetch(endpoint, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.headers.get('server') === 'VERSITYGW';
  } catch {
    return false;
  }
}
