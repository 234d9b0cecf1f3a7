import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isAlive } from '../../../infra/dev/lock.mjs';
import { joinSupervisor, type SupervisorSpec, supervise } from '../../../infra/dev/supervisor.ts';
import { scratchFolder } from '../../helpers/archives.ts';
import { until } from '../../helpers/until.ts';

const folder = await scratchFolder();
let count = 0;

/** A process that runs `script`; `name` is also its log's. */
function specOf(script: string, graceMs = 2_000) {
  const name = `child-${count++}`;
  const log = join(folder, `${name}.log`);
  const child = { name, command: process.execPath, args: ['-e', script], env: {}, cwd: folder, log };
  const socket = join(folder, `${name}.sock`);
  return { children: [child], socket, stateFile: join(folder, `${name}.json`), graceMs } satisfies SupervisorSpec;
}
const WAIT = 'setInterval(() => {}, 1000); console.log("up")';
/** Does not let SIGTERM end it. */
const STUBBORN = `process.on('SIGTERM', () => console.log('ignored')); ${WAIT}`;
const pidOf = (pids: Readonly<Record<string, number>>): number => Object.values(pids)[0]!;
const gone = (pid: number) => until(() => !isAlive(pid));

describe('supervisor', () => {
  it('ends its children when the last lease is given back, and returns when they are gone', async () => {
    const spec = specOf(WAIT);
    const lease = await supervise(spec);
    const pid = pidOf(lease.pids);
    assert.equal(isAlive(pid), true);
    await until(async () => (await readFile(spec.children[0]!.log, 'utf8')) === 'up\n');
    await lease.release();
    assert.equal(isAlive(pid), false);
    assert.equal(existsSync(spec.socket), false);
  });

  it('ends a child that ignores SIGTERM after the grace', async () => {
    const lease = await supervise(specOf(STUBBORN, 300));
    const pid = pidOf(lease.pids);
    await lease.release();
    assert.equal(isAlive(pid), false);
  });

  it('ends the children of its children', async () => {
    const spec = specOf(`
      const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
      console.log(child.pid); setInterval(() => {}, 1000);`);
    const lease = await supervise(spec);
    const log = () => readFile(spec.children[0]!.log, 'utf8');
    await until(async () => (await log()).endsWith('\n'));
    const grandchild = Number(await log());
    assert.equal(isAlive(grandchild), true);
    await lease.release();
    await gone(grandchild);
  });

  it('keeps them as long as anyone holds a lease', async () => {
    const spec = specOf(WAIT);
    const first = await supervise(spec);
    const second = await until(() => joinSupervisor(spec.socket));
    const pid = pidOf(first.pids);
    await first.release();
    assert.equal(isAlive(pid), true);
    await second.release();
    await gone(pid);
    assert.equal(await joinSupervisor(spec.socket), null);
  });

  it('goes on without any lease after `keep`, until somebody stops it', async () => {
    const spec = specOf(WAIT);
    const first = await supervise(spec);
    const pid = pidOf(first.pids);
    await first.ready({ port: 1 });
    await first.keep();
    const second = await until(() => joinSupervisor(spec.socket));
    assert.equal(JSON.parse(await readFile(spec.stateFile, 'utf8')).port, 1);
    await second.release();
    assert.equal(isAlive(pid), true);
    await (await joinSupervisor(spec.socket))!.stop();
    assert.deepEqual([isAlive(pid), existsSync(spec.stateFile)], [false, false]);
  });

  it('ends its children when the process that started them gets SIGKILL', async () => {
    const spec = specOf(STUBBORN, 300);
    const module = new URL('../../../infra/dev/supervisor.ts', import.meta.url);
    const script = `
      import { supervise } from '${module}';
      const { pids } = await supervise(${JSON.stringify(spec)});
      console.log(Object.values(pids)[0]);`;
    const holder = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [output] = await once(holder.stdout, 'data');
    const pid = Number(output);
    assert.equal(isAlive(pid), true);
    holder.kill('SIGKILL');
    await gone(pid);
  });

  it('tells every holder that a child ended by itself, and ends the others', async () => {
    const spec = specOf('setTimeout(() => process.exit(3), 300)');
    const other = { ...specOf(WAIT).children[0]!, name: 'other' };
    const lease = await supervise({ ...spec, children: [...spec.children, other] });
    const joined = await until(() => joinSupervisor(spec.socket));
    const exit = { event: 'exited', name: spec.children[0]!.name, code: 3, signal: null };
    assert.deepEqual(await lease.exited, exit);
    assert.deepEqual(await joined.exited, exit);
    await gone(lease.pids.other!);
    await lease.release();
  });

  it('reports a command that cannot be started', async () => {
    const spec = specOf(WAIT);
    const lease = await supervise({ ...spec, children: [{ ...spec.children[0]!, command: join(folder, 'none') }] });
    assert.equal((await lease.exited).code, 'ENOENT');
    await lease.stop();
  });

  it('leaves the state file of a successor alone', async () => {
    const spec = specOf(STUBBORN, 500);
    const first = await supervise(spec);
    await first.ready({ number: 1 });
    const ending = first.release();
    const second = await supervise({ ...spec, socket: `${spec.socket}2` });
    await second.ready({ number: 2 });
    await ending;
    assert.equal(JSON.parse(await readFile(spec.stateFile, 'utf8')).number, 2);
    await second.release();
    assert.equal(existsSync(spec.stateFile), false);
  });

  it('keeps the log of the run before', async () => {
    const spec = specOf('console.log(process.pid)');
    const log = spec.children[0]!.log;
    for (const _ of [1, 2]) {
      const lease = await supervise(spec);
      await lease.exited;
      await lease.stop();
    }
    assert.notEqual(await readFile(log, 'utf8'), await readFile(`${log}.1`, 'utf8'));
  });
});
