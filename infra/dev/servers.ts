import { createHash } from 'node:crypto';
import { access, mkdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../../lib/fault.ts';
import { unlessAborted } from './abort.ts';
import { type DevCredentials, devCredentials } from './credentials.ts';
import { s3IsUp, TemporalCommand } from './health.ts';
import { endLeftovers, waitForEnd } from './leftovers.ts';
import { withLock } from './lock.mjs';
import { freePort } from './ports.ts';
import { type ChildExit, joinSupervisor, type Lease, type SupervisedChild, supervise } from './supervisor.ts';
import { ensureTool, lastLine, neededTools, reportOnStderr, type ToolName } from './tools.ts';

export interface DevServerOptions {
  /** Everything lies here: data files, logs, credentials, tools. */
  stateDir: string;
  /** Search attributes to register, by name: `Keyword` or `KEYWORD`, `Double`, … */
  searchAttributes?: Readonly<Record<string, string>> | undefined;
  /** `random` for tests; default: 7233, 8233 and 7070 where they are free. */
  ports?: 'preferred' | 'random' | undefined;
  bucket?: string | undefined;
  /** Decides which servers are needed at all: one whose address is configured is used and not started. */
  env?: NodeJS.ProcessEnv | undefined;
  /** Told what is waited for, in one line. Default: standard error. */
  report?: ((line: string) => void) | undefined;
  /** Ends the start: what was begun by then is ended too. */
  signal?: AbortSignal | undefined;
}

export interface S3Settings {
  endpoint: string;
  region: string;
  bucket: string;
  /** Absent where an S3 endpoint is configured without keys: then the AWS client's own chain decides. */
  accessKeyId?: string;
  secretAccessKey?: string;
}

export interface DevServers {
  temporalAddress: string;
  /** Null where TEMPORAL_ADDRESS is configured: its Web UI may be anywhere. */
  uiUrl: string | null;
  s3: S3Settings;
  /** True when the servers ran already. */
  reused: boolean;
  /** Resolves when a server ended without our asking: by itself (the other is ended then as well), or by another samflow. */
  failed: Promise<Fault>;
  /** Gives them back: they end when nobody else uses them; with `keep` they stay for the next samflow. */
  stop(options?: { keep?: boolean }): Promise<void>;
}

/** What a running pair of servers leaves for the next samflow to find. */
interface State {
  version: 1;
  socket: string;
  temporal: { address: string; uiUrl: string } | null;
  s3: { endpoint: string; region: string; bucket: string } | null;
  pids: number[];
  /** Written by the supervisor itself. */
  supervisor?: number;
}

const REGION = 'us-east-1';
const GRACE_MS = 5_000;
const START_TIMEOUT_MS = 60_000;
const SAY_AFTER_MS = 5_000;
const POLL_MS = 50;

/**
 * Temporal with its Web UI, and an S3 server, on the loopback address; started, or found running in the same state folder.
 * They end with the last samflow that uses them, however that one ends.
 * @throws Fault TOOL_MISSING, TOOL_INSTALL_FAILED, SERVER_FAILED, SERVER_SILENT, SERVERS_DIFFER; the signal's reason
 */
export async function startDevServers(options: DevServerOptions): Promise<DevServers> {
  const stateDir = resolve(options.stateDir);
  const { env = process.env, report = reportOnStderr, signal } = options;
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const tools: Tools = {};
  for (const name of neededTools(env)) tools[name] = await ensureTool(name, { stateDir, env, report, signal });
  const context: Context = { ...options, stateDir, env, report, tools, credentials: await devCredentials(stateDir) };
  if (Object.keys(tools).length === 0) return describe(context, null, null, false);
  return withLock(join(stateDir, 'servers.lock'), async () => (await reuse(context)) ?? (await start(context)), {
    onWait: (seconds) => report(`waiting for another samflow that starts the servers (${seconds} s)`),
    signal,
  });
}

/** Ends the servers of a state folder, whoever uses them. False when none ran. */
export async function stopDevServers(stateDir: string): Promise<boolean> {
  const state = await readState(resolve(stateDir));
  const lease = state && (await joinSupervisor(state.socket));
  await lease?.stop();
  return Boolean(lease);
}

type Tools = Partial<Record<ToolName, string>>;
type Context = DevServerOptions & {
  env: NodeJS.ProcessEnv;
  report: (line: string) => void;
  tools: Tools;
  credentials: DevCredentials;
};

async function reuse(context: Context): Promise<DevServers | null> {
  const { stateDir, tools, signal } = context;
  const state = await readState(stateDir);
  if (!state) return null;
  const lease = await joinSupervisor(state.socket);
  if (!lease) {
    // It may be ending at this moment: two servers on one data file would be the end of the file.
    await waitForEnd(state.supervisor ?? 0, 'supervise.mjs', GRACE_MS + 2_000, signal);
    await endLeftovers(state.pids, stateDir);
    await rm(stateFile(stateDir), { force: true });
    return null;
  }
  if ((tools.temporal && !state.temporal) || (tools.versitygw && !state.s3)) {
    await lease.release();
    throw new Fault('SERVERS_DIFFER', {
      at: 'TEMPORAL_ADDRESS and SAMFLOW_S3_ENDPOINT',
      found: `servers started under other settings in ${stateDir}`,
      expected: 'the same settings for every samflow that shares a state folder',
      fix: 'Stop the other samflow, or set the variables as it has them',
    });
  }
  try {
    await waitUntilUp(context, state, lease);
  } catch (error) {
    await lease.release();
    throw error;
  }
  return describe(context, state, lease, true);
}

async function start(context: Context): Promise<DevServers> {
  let { ports } = context;
  let sidecar = await exists(join(context.stateDir, 'metadata-of-s3'));
  for (let attempt = 1; ; attempt++) {
    const plan = await planServers({ ...context, ports }, sidecar);
    const lease = await supervise({
      children: plan.children,
      socket: plan.state.socket,
      stateFile: stateFile(context.stateDir),
      graceMs: GRACE_MS,
    });
    const state: State = { ...plan.state, pids: Object.values(lease.pids) };
    try {
      await waitUntilUp(context, state, lease);
      await lease.ready(state);
      return describe(context, state, lease, false);
    } catch (error) {
      await lease.stop();
      const reason = error instanceof Fault ? error.details.found : '';
      // Two ways to fail that have a remedy: a port taken since we looked, and a disk without extended attributes.
      const portTaken = reason.includes('address already in use');
      const noAttributes = reason.includes('xattr') && !sidecar;
      if (attempt === 3 || !(portTaken || noAttributes)) throw error;
      if (portTaken) ports = 'random';
      if (noAttributes) sidecar = true;
    }
  }
}

async function planServers(context: Context, sidecar: boolean): Promise<{ children: SupervisedChild[]; state: State }> {
  const { stateDir, tools, bucket = 'samflow' } = context;
  const wanted = (port: number) => (context.ports === 'random' ? 0 : port);
  const children: SupervisedChild[] = [];
  const state: State = { version: 1, socket: socketFile(stateDir), temporal: null, s3: null, pids: [] };
  const add = (name: ToolName, command: string, args: string[], env: Record<string, string> = {}) => {
    const log = join(stateDir, 'logs', `${name}.log`);
    children.push({ name, command, args, env: { ...cleanEnv(context), ...env }, cwd: stateDir, log });
  };
  await mkdir(join(stateDir, 'logs'), { recursive: true });
  if (tools.temporal) {
    const [port, uiPort] = [await freePort(wanted(7233)), await freePort(wanted(8233))];
    add('temporal', tools.temporal, temporalArguments(stateDir, port, uiPort));
    state.temporal = { address: `127.0.0.1:${port}`, uiUrl: `http://127.0.0.1:${uiPort}` };
  }
  if (tools.versitygw) {
    const port = await freePort(wanted(7070));
    const { accessKeyId, secretAccessKey } = context.credentials;
    // A bucket is a folder of the backend's. Secrets go by the environment: command lines can be read by everybody.
    await mkdir(join(stateDir, 's3', bucket), { recursive: true });
    // The name must not begin with `s3`: versitygw takes such a folder for one inside its root.
    if (sidecar) await mkdir(join(stateDir, 'metadata-of-s3'), { recursive: true });
    add('versitygw', tools.versitygw, s3Arguments(stateDir, port, sidecar), {
      ROOT_ACCESS_KEY: accessKeyId,
      ROOT_SECRET_KEY: secretAccessKey,
    });
    state.s3 = { endpoint: `http://127.0.0.1:${port}`, region: REGION, bucket };
  }
  return { children, state };
}

function temporalArguments(stateDir: string, port: number, uiPort: number): string[] {
  return [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', `${port}`, '--ui-port', `${uiPort}`],
    ...['--db-filename', join(stateDir, 'temporal.db'), '--log-level', 'warn'],
    ...Object.entries(TEMPORAL_SETTINGS).flatMap(([name, value]) => [
      '--dynamic-config-value',
      `${name}=${JSON.stringify(value)}`,
    ]),
  ];
}

/** As in infra/compose/dynamic-config.yaml, where the reasons stand. */
export const TEMPORAL_SETTINGS = {
  'history.transferProcessorMaxPollRPS': 2000,
  'history.timerProcessorMaxTimeShift': '100ms',
  'matching.numTaskqueueWritePartitions': 1,
  'matching.useNewMatcher': true,
  'matching.enableFairness': true,
} as const;

function s3Arguments(stateDir: string, port: number, sidecar: boolean): string[] {
  return [
    ...['--port', `127.0.0.1:${port}`, '--region', REGION, '--quiet', '--keep-alive', 'posix'],
    ...(sidecar ? ['--sidecar', join(stateDir, 'metadata-of-s3')] : []),
    join(stateDir, 's3'),
  ];
}

async function waitUntilUp(context: Context, { temporal, s3 }: State, lease: Lease): Promise<void> {
  const { tools, searchAttributes = {}, signal } = context;
  if (s3) await waitFor(context, 'versitygw', () => s3IsUp(s3.endpoint), lease);
  if (temporal && tools.temporal) {
    const command = new TemporalCommand(tools.temporal, temporal.address, { env: cleanEnv(context), signal });
    await waitFor(context, 'temporal', () => command.isUp(), lease);
    await command.ensureSearchAttributes(searchAttributes);
  }
}

async function waitFor(
  context: Context,
  name: ToolName,
  isUp: () => Promise<boolean>,
  { exited }: Lease,
): Promise<void> {
  const { stateDir, report, signal } = context;
  let exit: ChildExit | undefined;
  exited.then((it) => (exit = it));
  const began = Date.now();
  for (let said = 0; !(await unlessAborted(signal, isUp())); ) {
    if (exit) throw await serverFailed(stateDir, exit);
    const waited = Date.now() - began;
    if (waited > START_TIMEOUT_MS) throw serverSilent(stateDir, name);
    if (waited - said >= SAY_AFTER_MS) {
      said = waited;
      report(`waiting for ${name} to answer (${Math.round(waited / 1000)} s)`);
    }
    await sleep(POLL_MS);
  }
}

function describe(context: Context, state: State | null, lease: Lease | null, reused: boolean): DevServers {
  const { env, stateDir, bucket = 'samflow', credentials } = context;
  const { accessKeyId, secretAccessKey } = credentials;
  return {
    temporalAddress: state?.temporal?.address ?? env.TEMPORAL_ADDRESS ?? '',
    uiUrl: state?.temporal?.uiUrl ?? null,
    s3: state?.s3 ? { ...state.s3, accessKeyId, secretAccessKey } : configuredS3(env, bucket),
    reused,
    failed: lease ? lost(lease, stateDir) : new Promise(() => undefined),
    async stop({ keep = false } = {}) {
      if (keep) await lease?.keep();
      else await lease?.release();
    },
  };
}

function configuredS3(env: NodeJS.ProcessEnv, bucket: string): S3Settings {
  const { SAMFLOW_S3_ACCESS_KEY_ID: accessKeyId, SAMFLOW_S3_SECRET_ACCESS_KEY: secretAccessKey } = env;
  return {
    endpoint: env.SAMFLOW_S3_ENDPOINT ?? '',
    region: env.SAMFLOW_S3_REGION ?? REGION,
    bucket: env.SAMFLOW_S3_BUCKET ?? bucket,
    ...(accessKeyId !== undefined && { accessKeyId }),
    ...(secretAccessKey !== undefined && { secretAccessKey }),
  };
}

/** No variables of the user's Temporal or AWS, and a home without their profiles: these servers are ours. */
function cleanEnv({ env, stateDir }: Context): Record<string, string> {
  return { PATH: env.PATH ?? '', TMPDIR: env.TMPDIR ?? tmpdir(), HOME: stateDir };
}

const stateFile = (stateDir: string) => join(stateDir, 'servers.json');

/** In the state folder; but a socket's path may have about a hundred characters and no more. */
function socketFile(stateDir: string): string {
  const inside = join(stateDir, 'servers.sock');
  if (Buffer.byteLength(inside) < 100) return inside;
  return join(tmpdir(), `samflow-${createHash('sha256').update(stateDir).digest('hex').slice(0, 16)}.sock`);
}

/** Null as well where the file is damaged or another version's: there is then nothing that could be joined. */
async function readState(stateDir: string): Promise<State | null> {
  try {
    const state = JSON.parse(await readFile(stateFile(stateDir), 'utf8'));
    return state.version === 1 ? state : null;
  } catch {
    return null;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function lost({ exited, stopped }: Lease, stateDir: string): Promise<Fault> {
  const exit = await Promise.race([exited, stopped]);
  if (exit) return serverFailed(stateDir, exit);
  return new Fault('SERVER_STOPPED', {
    at: stateDir,
    found: 'servers ended by another samflow',
    expected: 'running servers',
    fix: 'Start the command again: it goes on from there',
  });
}

async function serverFailed(stateDir: string, { name, code, signal }: ChildExit): Promise<Fault> {
  const log = join(stateDir, 'logs', `${name}.log`);
  const how = signal ? `ended by ${signal}` : `ended with code ${code}`;
  return new Fault('SERVER_FAILED', {
    at: name,
    found: `${how}: ${await lastLine(log)}`,
    expected: 'a running server',
    fix: `See ${log}`,
  });
}

function serverSilent(stateDir: string, name: ToolName): Fault {
  return new Fault('SERVER_SILENT', {
    at: name,
    found: `no answer in ${START_TIMEOUT_MS / 1000} s`,
    expected: 'a running server',
    fix: `See ${join(stateDir, 'logs', `${name}.log`)}`,
  });
}
