import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { drawIn, onOwnDisk, seenBy, withoutLimits, withoutOwnDisk } from '../../../bench/faults/limits.ts';

describe('what one process is short of', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'samflow-limits-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** A process that writes at each line that it hears, and says how that ended. */
  function writer(under: readonly string[]) {
    const script = `const fs = require('node:fs');
      process.stdin.on('data', () => {
        try { fs.writeFileSync(${JSON.stringify(join(folder, 'file'))}, Buffer.alloc(2 ** 21)); console.log('written'); }
        catch (error) { console.log(error.code); }
      });
      console.log('ready');`;
    const [command, ...args] = [...under, process.execPath, '-e', script];
    const child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const hear = async (): Promise<string> => String((await once(child.stdout, 'data'))[0]).trim();
    const write = (): Promise<string> => {
      child.stdin.write('\n');
      return hear();
    };
    return { pid: child.pid!, hear, write, end: () => once(child.stdin.end() && child, 'exit') };
  }

  it('a disk of its own is full for it alone, and vanishes with it', { skip: withoutOwnDisk() ?? false }, async () => {
    const { pid, hear, write, end } = writer(onOwnDisk(folder, 'size=1m'));
    assert.equal(await hear(), 'ready');
    assert.equal(await write(), 'ENOSPC');
    assert.deepEqual(await readdir(seenBy(pid, folder)), ['file']);
    assert.ok(!existsSync(join(folder, 'file')));
    await end();
  });

  it('a limit is drawn in while it runs, and let out again', { skip: withoutLimits() ?? false }, async () => {
    const { pid, hear, write, end } = writer([]);
    assert.equal(await hear(), 'ready');
    const letOut = await drawIn(pid, 'fsize', 4096);
    assert.equal(await write(), 'EFBIG');
    await letOut();
    assert.equal(await write(), 'written');
    await end();
  });
});
