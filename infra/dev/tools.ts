import { randomUUID } from 'node:crypto';
import { access, chmod, constants, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { Fault } from '../../lib/fault.ts';
import { unlessAborted } from './abort.ts';
import { withLock } from './lock.mjs';
import { supervise } from './supervisor.ts';

/**
 * The two servers of the embedded default. Where they are looked for: PATH, then `<stateDir>/bin`; where they are in
 * neither, they are built there once by `go install`. Nothing is needed where Temporal and S3 are configured.
 */
export const TOOLS = {
  temporal: {
    module: 'github.com/temporalio/cli/cmd/temporal',
    // Temporal Server 1.29.1, UI 2.42.1. Later versions have a replace directive and cannot be installed by Go.
    version: 'v1.5.1',
    about: 'about 3 minutes',
    configured: 'TEMPORAL_ADDRESS',
  },
  versitygw: {
    module: 'github.com/versity/versitygw/cmd/versitygw',
    version: 'v1.8.0',
    about: 'about 1 minute',
    configured: 'SAMFLOW_S3_ENDPOINT',
  },
} as const;
export type ToolName = keyof typeof TOOLS;
export const TOOL_NAMES = Object.keys(TOOLS) as ToolName[];

export interface ToolOptions {
  /** Where samflow keeps its state, e.g. `.samflow` in the repository. */
  stateDir: string;
  env?: NodeJS.ProcessEnv | undefined;
  /** Told what is waited for, in one line, at once and every five seconds. Default: standard error. */
  report?: ((line: string) => void) | undefined;
  /** Ends waiting and building; what was built so far is removed. */
  signal?: AbortSignal | undefined;
}

const REPORT_EVERY_MS = 5_000;

export const reportOnStderr = (line: string): void => void process.stderr.write(`samflow: ${line}\n`);

/** Which of the two this environment needs: one whose address is configured is somebody else's to run. */
export function neededTools(env: NodeJS.ProcessEnv = process.env): ToolName[] {
  return TOOL_NAMES.filter((name) => !env[TOOLS[name].configured]);
}

/** The path of an executable, or null where it is neither on PATH nor installed by us. */
export async function findTool(name: ToolName, { stateDir, env = process.env }: ToolOptions): Promise<string | null> {
  const folders = (env.PATH ?? '').split(delimiter).filter(Boolean);
  for (const folder of [...folders, binDir(stateDir)]) {
    if (await isExecutable(join(folder, name))) return join(folder, name);
  }
  return null;
}

/** Finds a tool or builds it. @throws Fault TOOL_MISSING where Go is absent, TOOL_INSTALL_FAILED; the signal's reason */
export async function ensureTool(name: ToolName, options: ToolOptions): Promise<string> {
  const found = await findTool(name, options);
  if (found) return found;
  const report = options.report ?? reportOnStderr;
  // Two processes may come here at once; the second finds what the first has built.
  return withLock(
    join(binDir(options.stateDir), `${name}.lock`),
    async () => (await findTool(name, options)) ?? (await goInstall(name, options, report)),
    {
      onWait: (seconds) => report(`waiting for another process that installs ${name} (${seconds} s)`),
      signal: options.signal,
    },
  );
}

async function goInstall(name: ToolName, options: ToolOptions, report: (line: string) => void): Promise<string> {
  const { stateDir, env = process.env, signal } = options;
  const { module, version, about } = TOOLS[name];
  const go = await findGo(env);
  if (!go) throw missing(name);
  const target = join(binDir(stateDir), name);
  // Built aside and moved into place, so that nobody runs half a file.
  const scratch = join(binDir(stateDir), `.${name}-${randomUUID()}`);
  await removeScratch(name, stateDir);
  const log = join(stateDir, 'logs', `install-${name}.log`);
  await mkdir(scratch, { recursive: true });
  await mkdir(join(stateDir, 'logs'), { recursive: true });
  const began = Date.now();
  report(`installing ${name} ${version} by \`go install\`, once, ${about}`);
  const timer = setInterval(() => {
    report(`installing ${name}: ${Math.round((Date.now() - began) / 1000)} s`);
  }, REPORT_EVERY_MS);
  try {
    const args = ['install', `${module}@${version}`];
    // Supervised: a build does not go on when samflow is killed.
    const build = await supervise({
      children: [{ name, command: go, args, env: { ...env, GOBIN: scratch, GOFLAGS: '' }, cwd: stateDir, log }],
      graceMs: 2_000,
    });
    // Go's own children are of the group that is ended here.
    const { code } = await unlessAborted(signal, build.exited).finally(() => build.stop());
    if (code !== 0) throw await installFailed(name, log);
    await chmod(join(scratch, name), 0o755);
    await rename(join(scratch, name), target);
    report(`installed ${name} in ${Math.round((Date.now() - began) / 1000)} s`);
    return target;
  } finally {
    clearInterval(timer);
    await rm(scratch, { recursive: true, force: true });
  }
}

/** What a samflow that was killed has left. No other one builds now: the caller holds the lock. */
async function removeScratch(name: ToolName, stateDir: string): Promise<void> {
  for (const entry of await readdir(binDir(stateDir))) {
    if (entry.startsWith(`.${name}-`)) await rm(join(binDir(stateDir), entry), { recursive: true, force: true });
  }
}

async function findGo(env: NodeJS.ProcessEnv): Promise<string | null> {
  // Go's own installer puts it there, and leaves it to the user to write that into PATH.
  const installed = join(env.GOROOT ?? '/usr/local/go', 'bin');
  for (const folder of [...(env.PATH ?? '').split(delimiter).filter(Boolean), installed]) {
    if (await isExecutable(join(folder, 'go'))) return join(folder, 'go');
  }
  return null;
}

const binDir = (stateDir: string) => join(stateDir, 'bin');

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

function missing(name: ToolName): Fault {
  const { configured, module, version } = TOOLS[name];
  const binary =
    name === 'temporal' ? 'the Temporal CLI (https://docs.temporal.io/cli)' : 'versitygw (its GitHub releases)';
  return new Fault('TOOL_MISSING', {
    at: name,
    found: `neither ${name} nor Go on PATH`,
    expected: `${name}, or Go to build ${module}@${version}`,
    fix: `Install Go (https://go.dev/dl) or ${binary}, or set ${configured} to a running server`,
  });
}

async function installFailed(name: ToolName, log: string): Promise<Fault> {
  const { configured, module, version } = TOOLS[name];
  return new Fault('TOOL_INSTALL_FAILED', {
    at: name,
    found: `go install failed: ${await lastLine(log)}`,
    expected: `${module}@${version} to build`,
    fix: `See ${log}; or put ${name} on PATH; or set ${configured} to a running server`,
  });
}

/** The last line of a log that says something, in at most 300 characters, without the marks of our own errors. */
export async function lastLine(log: string): Promise<string> {
  const text = stripVTControlCharacters(await readFile(log, 'utf8').catch(() => '')).replace(/^✗ /gm, '');
  return text.trim().split('\n').at(-1)?.trim().slice(0, 300) || 'no message';
}
