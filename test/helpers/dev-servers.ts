import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DevServerOptions, type DevServers, startDevServers } from '../../infra/dev/servers.ts';
import { findTool, type ToolName } from '../../infra/dev/tools.ts';
import { toolPath } from './dev-tools.ts';

/** Where `npm test` puts the tools. */
export const INSTALLED = fileURLToPath(new URL('../../.samflow', import.meta.url));

/** The environment of a test: none of the user's servers, and the installed tools within reach of any state folder. */
export const testEnv = (): NodeJS.ProcessEnv => ({
  PATH: toolPath(),
  HOME: process.env.HOME,
});

/** For a test's `skip` option: the reason where a tool is not installed, else false. */
export async function withoutTools(...names: ToolName[]): Promise<string | false> {
  for (const name of names) {
    if (!(await findTool(name, { stateDir: INSTALLED }))) return `${name} is not installed: npm test installs it`;
  }
  return false;
}

export interface TestServers {
  servers: DevServers;
  stateDir: string;
  /** Ends the servers and deletes the folder. */
  close(): Promise<void>;
}

/** Servers on random ports with a state folder of their own; `only` leaves the other one out. */
export async function startTestServers(
  only?: ToolName,
  searchAttributes?: DevServerOptions['searchAttributes'],
): Promise<TestServers> {
  const stateDir = await mkdtemp(join(tmpdir(), 'samflow-test-'));
  const env = testEnv();
  // A configured address is never started; nobody connects to this one.
  if (only === 'versitygw') env.TEMPORAL_ADDRESS = '127.0.0.1:1';
  if (only === 'temporal') env.SAMFLOW_S3_ENDPOINT = 'http://127.0.0.1:1';
  const servers = await startDevServers({ stateDir, env, ports: 'random', searchAttributes, report: () => undefined });
  return {
    servers,
    stateDir,
    async close() {
      await servers.stop();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}
