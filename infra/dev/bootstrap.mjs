/**
 * What `npm run …` and `npm test` start: installs what is missing, then hands over. Plain Node without dependencies, for
 * there may be none yet.
 *
 * Everything this file says goes to standard error: with `npm run -s parity -- FOLDER --json`, standard output holds the
 * command's own output and nothing else.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LOCKFILE = join(ROOT, 'package-lock.json');
const MODULES = join(ROOT, 'node_modules');
/** Holds the hash of the lockfile that node_modules was made from; inside it, so that both go together. */
const STAMP = join(MODULES, '.samflow-lock');
const SAY_EVERY_MS = 5_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
/** Within this time the same signal again is the same press of Ctrl-C on another way. */
const REPEAT_MS = 1_000;
const ORPHAN_POLL_MS = 250;

const TS = ['--import', 'tsx'];
/** What each command runs, one after the other. The caller's own arguments go to the last. */
const COMMANDS = {
  demo: [['cli/samflow.mjs', 'demo']],
  samflow: [['cli/samflow.mjs']],
  test: [[...TS, 'infra/dev/install-tools.ts'], ['test/run.mjs']],
  parity: [[...TS, 'bench/parity.ts']],
  bench: [[...TS, 'bench/run.ts']],
  chaos: [[...TS, 'bench/chaos.ts']],
  pretrain: [[...TS, 'models/pretrain.ts']],
};

const say = (line) => process.stderr.write(`samflow: ${line}\n`);
/** On a terminal one line that counts on, elsewhere a line each time. */
const sayProgress = (line) => (process.stderr.isTTY ? process.stderr.write(`\r\x1b[Ksamflow: ${line}`) : say(line));

/** A sentence for a Node that is too old, or null. `wanted` has the form `>=20.6`. */
export function nodeProblem(version = process.versions.node, wanted = wantedNode()) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.replace(/^>=/, '').split('.').map(Number);
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return null;
  return `this is Node ${version}, and samflow needs ${wanted}. Install a newer one from https://nodejs.org.`;
}

const wantedNode = () => JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).engines.node;

const digestOf = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');

export function isInstalled(stamp = STAMP, lockfile = LOCKFILE) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === digestOf(lockfile);
}

/** Worktrees may share one folder by a link, which `npm ci` would follow and empty: it is for its owner to keep up. */
const isShared = () => lstatSync(MODULES, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;

async function install() {
  if (isInstalled() || isShared()) return;
  // `npm run demo` and `npm test` may be started side by side on a fresh machine.
  await withLock(
    join(ROOT, '.samflow', 'install.lock'),
    async () => {
      if (isInstalled()) return;
      const why = existsSync(STAMP) ? 'package-lock.json has changed' : 'first start';
      say(`installing the dependencies by \`npm ci\` (${why}) …`);
      const code = await npmCi();
      if (code !== 0) throw new Error(`\`npm ci\` ended with code ${code}; the lines above say why.`);
      writeFileSync(STAMP, `${digestOf(LOCKFILE)}\n`);
    },
    { onWait: (seconds) => say(`waiting for another process that installs the dependencies (${seconds} s) …`) },
  );
}

async function npmCi() {
  const began = Date.now();
  const seconds = () => Math.round((Date.now() - began) / 1000);
  const timer = setInterval(() => sayProgress(`installing the dependencies: ${seconds()} s …`), SAY_EVERY_MS);
  try {
    // The npm that started this script, where one did; what it prints goes to standard error.
    const npm = process.env.npm_execpath;
    const [command, ...args] = npm?.endsWith('js') ? [process.execPath, npm] : ['npm'];
    const code = await run(command, [...args, 'ci', '--loglevel=error', '--no-progress'], ['ignore', 2, 2]);
    if (code === 0) sayProgress(`installed the dependencies in ${seconds()} s.`);
    return code;
  } finally {
    clearInterval(timer);
    if (process.stderr.isTTY) process.stderr.write('\n');
  }
}

/** Runs a child to its end and gives its exit code; 128 + n after signal n, as shells do. Signals go on to the child. */
function run(command, args, stdio) {
  const child = spawn(command, args, { cwd: ROOT, stdio });
  const release = forwardSignals(child);
  return new Promise((resolve, reject) => {
    child.on('error', (error) => {
      release();
      reject(error);
    });
    child.on('exit', (code, signal) => {
      release();
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

/**
 * A terminal sends Ctrl-C to the child itself as well as to npm and this script, and npm passes it on once more. The child
 * must hear it once (the second means "at once"), so it is passed on only where no terminal can have sent it, and once.
 */
function forwardSignals(child) {
  const sent = new Set();
  const forward = (signal) => {
    if (signal === 'SIGINT' && (process.stdin.isTTY || process.stderr.isTTY)) return;
    if (sent.has(signal)) return;
    sent.add(signal);
    setTimeout(() => sent.delete(signal), REPEAT_MS).unref();
    child.kill(signal);
  };
  for (const signal of SIGNALS) process.on(signal, forward);
  const watch = whenOrphaned(() => forward('SIGTERM'));
  return () => {
    for (const signal of SIGNALS) process.off(signal, forward);
    clearInterval(watch);
  };
}

/** npm passes SIGTERM to a shell and no further, and SIGKILL to nobody: what is left of both is that the parent is gone. */
function whenOrphaned(then) {
  const parent = process.ppid;
  if (!process.env.npm_lifecycle_event) return undefined;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    then();
  }, ORPHAN_POLL_MS);
  return timer;
}

async function main([name, ...args]) {
  const problem = nodeProblem();
  if (problem) throw new Error(problem);
  const steps = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name] : null;
  if (!steps) throw new Error(`unknown command ${name ?? '(none)'}: use ${Object.keys(COMMANDS).join(', ')}.`);
  await install();
  for (const [index, step] of steps.entries()) {
    const last = index === steps.length - 1;
    const code = await run(process.execPath, last ? [...step, ...args] : step, last ? 'inherit' : ['ignore', 2, 2]);
    if (code !== 0 || last) return code;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    say(error.message);
    process.exitCode = 1;
  }
}
