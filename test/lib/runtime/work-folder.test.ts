import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sweepWorkFolders, withWorkFolder } from '../../../lib/runtime/work-folder.ts';

const MODULE = new URL('../../../lib/runtime/work-folder.ts', import.meta.url);
const run = (use: string, shell = ''): string =>
  spawnSync(
    'sh',
    [
      '-c',
      `${shell} exec "$0" --import tsx --input-type=module -e "$1"`,
      process.execPath,
      `import { withWorkFolder } from '${MODULE}';\n${use}`,
    ],
    { encoding: 'utf8' },
  ).stdout.trim();

describe('a folder for temporary files', () => {
  it('is there while it is used, and gone afterwards, also where the use has failed', async () => {
    let folder = '';
    const used = withWorkFolder(async (path) => {
      folder = path;
      await writeFile(join(path, 'file'), 'text');
      throw new Error('of the use');
    });
    await assert.rejects(used, /of the use/);
    assert.ok(folder !== '' && !existsSync(folder));
  });

  it('that a killed process has left is removed by the next one, and that of a living one is not', async () => {
    const left = run(`await withWorkFolder(async (path) => {
      console.log(path);
      process.kill(process.pid, 'SIGKILL');
      await new Promise(() => setInterval(() => undefined, 1000));
    });`);
    assert.ok(existsSync(left));
    await withWorkFolder(async (path) => {
      await sweepWorkFolders();
      assert.ok(existsSync(path));
    });
    assert.ok(!existsSync(left));
  });

  it('is to be had again, and what was left is removed, once there are file handles again', () => {
    const told = run(
      `const fs = await import('node:fs');
      const all = [];
      const take = () => { try { for (;;) all.push(fs.openSync('/dev/null')); } catch {} };
      const give = () => { for (const handle of all.splice(0)) fs.closeSync(handle); };
      // Once before: what is loaded on demand needs handles, too.
      await withWorkFolder(async () => undefined);
      let kept;
      await withWorkFolder(async (path) => {
        kept = path;
        fs.writeFileSync(path + '/file', 'text');
        take();
      });
      const isLeft = fs.existsSync(kept);
      give();
      await withWorkFolder(async () => console.log(isLeft, fs.existsSync(kept)));`,
      'ulimit -n 64;',
    );
    assert.equal(told, 'true false');
  });
});
