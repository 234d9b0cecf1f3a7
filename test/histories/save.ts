import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDER = new URL('./', import.meta.url);

/** By the command, for the SDK's own `historyToJSON` does not work in an installation with two versions of protobufjs. */
export async function openHistories(
  address: string,
  env: NodeJS.ProcessEnv,
): Promise<(name: string, workflowId: string) => Promise<void>> {
  await mkdir(FOLDER, { recursive: true });
  return async (name, workflowId) => {
    const args = ['workflow', 'show', '--workflow-id', workflowId, '--output', 'json', '--address', address];
    const { stdout } = await promisify(execFile)('temporal', args, { env, maxBuffer: 2 ** 28 });
    const history = JSON.parse(stdout);
    // Who recorded it, and where, is nobody's business, and no replay looks at it.
    const text = JSON.stringify(history)
      .replace(/"identity":"[^"]*"/g, '"identity":"recorded"')
      .replaceAll(ROOT, '/samflow/')
      .replaceAll(hostname(), 'recorder');
    await writeFile(new URL(`${name}.json`, FOLDER), `${text}\n`);
    console.log(`${name}: ${history.events.length} events, ${text.length} bytes`);
  };
}
