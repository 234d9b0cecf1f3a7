import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const SUPERVISE = fileURLToPath(new URL('./supervise.mjs', import.meta.url));

export interface SupervisedChild {
  name: string;
  command: string;
  args: readonly string[];
  env: Record<string, string | undefined>;
  cwd: string;
  /** Standard output and error; the previous file is kept as `.1`. */
  log: string;
}

export interface SupervisorSpec {
  children: readonly SupervisedChild[];
  /** Unix socket at which other processes may take a lease. */
  socket?: string;
  /** Written on `ready`, removed when the children end. */
  stateFile?: string;
  /** Between SIGTERM and SIGKILL. */
  graceMs: number;
}

/** A child that ended without being asked to. `code` is a string where it could not be started (`ENOENT`). */
export interface ChildExit {
  name: string;
  code: number | string | null;
  signal: NodeJS.Signals | null;
}

/** A lease on supervised processes: they live until every holder has released it, or is gone. */
export interface Lease {
  /** Process ids by name; only known to who started them. */
  readonly pids: Readonly<Record<string, number>>;
  /** Resolves when a child ended by itself; then the others are ended too. */
  readonly exited: Promise<ChildExit>;
  /** Resolves when another holder has ended the processes, or the supervisor itself is lost. */
  readonly stopped: Promise<undefined>;
  /** Says that the children are well; resolves when `state` stands in the state file, with the supervisor's number. */
  ready(state: object): Promise<void>;
  keep(): Promise<void>;
  /** Resolves when the processes are gone, or at once where others hold a lease too. */
  release(): Promise<void>;
  /** Ends the processes, whoever holds a lease. */
  stop(): Promise<void>;
}

type Message =
  | { event: 'started'; pids: Record<string, number> }
  | { event: 'welcome' | 'noted' | 'staying' | 'stopping' }
  | ExitMessage;
type ExitMessage = { event: 'exited' } & ChildExit;

/** Starts processes in a group of their own, and with them a supervisor that outlives this process only to end them. */
export async function supervise(spec: SupervisorSpec): Promise<Lease> {
  const child = spawn(process.execPath, [SUPERVISE], { detached: true, stdio: ['pipe', 'pipe', 'ignore'], env: {} });
  const gone = new Promise<undefined>((resolve) => {
    child.once('exit', () => resolve(undefined)).once('error', () => resolve(undefined));
  });
  const lease = openLease(child.stdout, child.stdin, gone, () => {
    child.unref();
    child.stdout.destroy();
    child.stdin.destroy();
  });
  child.stdin.write(`${JSON.stringify(spec)}\n`);
  const started = await Promise.race([lease.next('started'), gone]);
  if (started?.event !== 'started') throw new Error('the supervisor ended before it began');
  return { ...lease.api, pids: started.pids };
}

/** Takes a lease on processes that another samflow started; null when they are gone or about to go. */
export async function joinSupervisor(socketFile: string): Promise<Lease | null> {
  const socket = connect(socketFile);
  const gone = new Promise<undefined>((resolve) => socket.once('close', () => resolve(undefined)));
  socket.on('error', () => undefined);
  const lease = openLease(socket, socket, gone, () => socket.destroy());
  const welcome = await Promise.race([lease.next('welcome'), gone]);
  return welcome ? { ...lease.api, pids: {} } : null;
}

function openLease(input: Readable, output: Writable, gone: Promise<undefined>, letGo: () => void) {
  const waiting = new Map<string, (message: Message) => void>();
  const next = (...events: Message['event'][]): Promise<Message> =>
    new Promise((resolve) => {
      for (const event of events) waiting.set(event, resolve);
    });
  // Supervisor gone: nothing more to be said to it.
  output.on('error', () => undefined);
  let asked = false;
  let endedByOthers: () => void;
  const stopped = new Promise<undefined>((resolve) => {
    endedByOthers = () => resolve(undefined);
  });
  void gone.then(() => asked || endedByOthers());
  const exited = new Promise<ChildExit>((resolve) => {
    const lines = createInterface({ input });
    // Readline passes on its input's errors; what matters of them is `gone`.
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      const message: Message = JSON.parse(line);
      if (message.event === 'exited') resolve(message);
      if (message.event === 'stopping' && !asked) endedByOthers();
      waiting.get(message.event)?.(message);
    });
  });
  const ask = async (verb: string): Promise<void> => {
    asked = true;
    const answer = next('staying', 'stopping');
    output.write(`${verb}\n`);
    const message = await Promise.race([answer, gone]);
    if (message?.event !== 'staying') await gone;
    letGo();
  };
  const api = {
    exited,
    stopped,
    async ready(state: object) {
      const noted = next('noted');
      output.write(`ready ${JSON.stringify(state)}\n`);
      await Promise.race([noted, gone]);
    },
    keep: () => ask('keep'),
    release: () => ask('release'),
    stop: () => ask('stop'),
  };
  return { next, api };
}
