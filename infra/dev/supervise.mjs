/**
 * Keeps child processes for as long as somebody needs them, and not a second longer: the reason why nothing is left behind
 * when samflow is killed. Started by supervisor.ts in a process group of its own; plain Node without dependencies.
 *
 * The first line of stdin is the specification, as JSON:
 *   {children: [{name, command, args, env, cwd, log}], socket?, stateFile?, graceMs}
 * After that stdin is the first lease; every connection to `socket` is another one. A lease ends with its stream, which the
 * system closes even when the holder gets SIGKILL. Without a lease, or when a child ends by itself, all children are
 * ended: SIGTERM, after `graceMs` SIGKILL. Then the supervisor ends too.
 *
 * A holder writes lines:
 *   ready JSON   the children are well: the JSON, an object, is written to `stateFile` together with this process's number
 *                as `supervisor`; there the next samflow finds it until the children are gone
 *   keep         from now on go on without any lease
 *   release      give this lease back; the answer says whether others hold one
 *   stop         end everything, whoever holds a lease
 * and reads lines, JSON each:
 *   {event: 'started', pids: {name: pid}}   {event: 'welcome' | 'noted' | 'staying' | 'stopping'}
 *   {event: 'exited', name, code, signal}
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

/** @type {Map<object, (message: object) => void>} every lease, with the way to tell it something */
const leases = new Map();
const children = new Map();
let spec;
let server;
let kept = false;
let ending = false;

const tellAll = (message) => {
  for (const tell of leases.values()) tell(message);
};

function hold(input, output) {
  const lease = {};
  const tell = (message) => output.write(`${JSON.stringify(message)}\n`);
  // A holder that is gone cannot be told anything; its lease ends by `close`.
  output.on('error', () => {});
  leases.set(lease, tell);
  const lines = createInterface({ input });
  lines.on('error', () => {});
  lines.on('line', (line) => (spec ? obey(line, lease, tell) : begin(line, tell)));
  lines.on('close', () => {
    leases.delete(lease);
    endIfUnused();
  });
}

function begin(line, tell) {
  spec = JSON.parse(line);
  for (const { name, command, args, env, cwd, log } of spec.children) {
    if (existsSync(log)) renameSync(log, `${log}.1`);
    const output = openSync(log, 'w', 0o600);
    const child = spawn(command, args, { env, cwd, stdio: ['ignore', output, output] });
    closeSync(output);
    children.set(name, child);
    child.on('error', ({ code }) => ended(name, code, null));
    child.on('exit', (code, signal) => ended(name, code, signal));
  }
  tell({ event: 'started', pids: Object.fromEntries([...children].map(([name, { pid }]) => [name, pid])) });
  if (spec.socket) listen();
}

function listen() {
  rmSync(spec.socket, { force: true });
  server = createServer((socket) => {
    if (ending) return socket.destroy();
    hold(socket, socket);
    socket.write(`${JSON.stringify({ event: 'welcome' })}\n`);
  });
  server.on('error', () => end());
  // Whoever may connect may stop the servers: the owner only.
  const mask = process.umask(0o177);
  server.listen(spec.socket, () => process.umask(mask));
}

function obey(line, lease, tell) {
  const [verb] = line.split(' ', 1);
  if (verb === 'ready' && !ending) {
    const state = { ...JSON.parse(line.slice('ready '.length)), supervisor: process.pid };
    writeFileSync(`${spec.stateFile}.part`, JSON.stringify(state), { mode: 0o600 });
    renameSync(`${spec.stateFile}.part`, spec.stateFile);
    tell({ event: 'noted' });
  } else if (verb === 'keep') {
    kept = true;
    tell({ event: 'staying' });
  } else if (verb === 'release') {
    leases.delete(lease);
    tell({ event: leases.size > 0 || kept ? 'staying' : 'stopping' });
    endIfUnused();
  } else if (verb === 'stop') {
    end();
  }
}

function ended(name, code, signal) {
  if (!children.delete(name)) return;
  if (!ending) tellAll({ event: 'exited', name, code, signal });
  end();
  if (children.size === 0) leave();
}

function endIfUnused() {
  if (leases.size === 0 && !kept) end();
}

function end() {
  if (ending) return;
  ending = true;
  // Removes the socket too: from here on nobody can join.
  server?.close();
  if (children.size === 0) return leave();
  tellAll({ event: 'stopping' });
  // To the whole group, so that the children's own children end as well; this process hears it too, and goes on.
  process.kill(-process.pid, 'SIGTERM');
  setTimeout(() => {
    for (const child of children.values()) child.kill('SIGKILL');
  }, spec.graceMs);
}

function leave() {
  removeState();
  // Nobody of the group is to survive, nor this process.
  setTimeout(() => process.kill(-process.pid, 'SIGKILL'), 50);
}

/** Unless a successor has written its own in the meantime. */
function removeState() {
  try {
    if (JSON.parse(readFileSync(spec.stateFile, 'utf8')).supervisor === process.pid) rmSync(spec.stateFile);
  } catch {
    // There is none.
  }
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, end);
hold(process.stdin, process.stdout);
