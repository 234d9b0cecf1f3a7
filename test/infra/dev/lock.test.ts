import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, withLock } from '../../../infra/dev/lock.mjs';
import { scratchFolder } from '../../helpers/archives.ts';

const folder = await scratchFolder();
/** The number of a process that has ended. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid!;
}

describe('lock', () => {
  it('lets one at a time in, and leaves nothing behind', async () => {
    const file = join(folder, 'one', 'x.lock');
    let inside = 0;
    let most = 0;
    const task = async () => {
      most = Math.max(most, ++inside);
      await sleep(5);
      inside--;
    };
    await Promise.all(Array.from({ length: 5 }, () => withLock(file, task)));
    assert.deepEqual([most, inside], [1, 0]);
    assert.deepEqual(await readdir(join(folder, 'one')), []);
  });

  it('holds between processes', async () => {
    const log = join(folder, 'log');
    const lock = new URL('../../../infra/dev/lock.mjs', import.meta.url);
    const script = `
      import { appendFile } from 'node:fs/promises';
      import { withLock } from '${lock}';
      await withLock('${join(folder, 'shared.lock')}', async () => {
        await appendFile('${log}', 'in ');
        await new Promise((resolve) => setTimeout(resolve, 50));
        await appendFile('${log}', 'out ');
      });`;
    const run = () => spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
    await Promise.all([run(), run(), run()].map((child) => once(child, 'exit')));
    assert.equal(await readFile(log, 'utf8'), 'in out in out in out ');
  });

  it('passes on result and failure of the task, and is free after both', async () => {
    const file = join(folder, 'result.lock');
    assert.equal(await withLock(file, async () => 7), 7);
    await assert.rejects(
      withLock(file, () => Promise.reject(new Error('no'))),
      /no/,
    );
    assert.equal(await withLock(file, async () => 8), 8);
  });

  it('is taken over from a process that is gone', async () => {
    const file = join(folder, 'dead.lock');
    await writeFile(file, String(await deadPid()));
    assert.equal(await withLock(file, async () => 'mine'), 'mine');
  });

  it('is taken over when nobody has touched it for long, whoever has its number now', async () => {
    const file = join(folder, 'old.lock');
    await writeFile(file, String(process.pid));
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(file, longAgo, longAgo);
    assert.equal(await withLock(file, async () => 'mine'), 'mine');
  });

  it('can be waited for with an end', async () => {
    const file = join(folder, 'held.lock');
    await writeFile(file, String(process.pid));
    const reason = new Error('enough');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    await assert.rejects(
      withLock(file, async () => assert.fail('not free'), { signal: controller.signal }),
      (error) => error === reason,
    );
  });
});

describe('isAlive', () => {
  it('knows living from dead processes, and numbers that are none', async () => {
    assert.equal(isAlive(process.pid), true);
    assert.equal(isAlive(await deadPid()), false);
    for (const none of [0, -1, Number.NaN, 1.5]) assert.equal(isAlive(none), false);
  });
});
