import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isInstalled, nodeProblem } from '../../../infra/dev/bootstrap.mjs';
import { devCredentials } from '../../../infra/dev/credentials.ts';
import { attributeType } from '../../../infra/dev/health.ts';
import { freePort } from '../../../infra/dev/ports.ts';
import { scratchFolder } from '../../helpers/archives.ts';

const scratch = await scratchFolder();
const BOOTSTRAP = fileURLToPath(new URL('../../../infra/dev/bootstrap.mjs', import.meta.url));

describe('bootstrap', () => {
  for (const [version, fine] of [
    ['20.6.0', true],
    ['20.20.2', true],
    ['22.0.0', true],
    ['20.5.1', false],
    ['18.20.4', false],
  ] as const) {
    it(`${fine ? 'accepts' : 'refuses'} Node ${version} where 20.6 is asked for`, () => {
      const problem = nodeProblem(version, '>=20.6');
      if (fine) assert.equal(problem, null);
      else assert.match(problem ?? '', new RegExp(`Node ${version}, and samflow needs >=20\\.6\\. Install`));
    });
  }

  it('installs when there is no stamp, or another lockfile than the stamp says', async () => {
    const [stamp, lockfile] = [join(scratch, 'stamp'), join(scratch, 'package-lock.json')];
    await writeFile(lockfile, '{"a":1}');
    assert.equal(isInstalled(stamp, lockfile), false);
    await writeFile(stamp, `${createHash('sha256').update('{"a":1}').digest('hex')}\n`);
    assert.equal(isInstalled(stamp, lockfile), true);
    await writeFile(lockfile, '{"a":2}');
    assert.equal(isInstalled(stamp, lockfile), false);
  });

  it('names the commands when asked for another one, on standard error', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [BOOTSTRAP, 'fly'], { encoding: 'utf8' });
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, /^samflow: unknown command fly: use demo, samflow, test, parity, bench, chaos, pretrain\.\n$/);
  });

  it('says what it installs on standard error, leaves standard output to the command, and a linked folder alone', async () => {
    // A checkout of its own: the true one must not be installed anew under the tests that run beside this one.
    const checkout = join(scratch, 'checkout');
    await mkdir(join(checkout, 'cli'), { recursive: true });
    await mkdir(join(checkout, 'infra/dev'), { recursive: true });
    for (const name of ['bootstrap.mjs', 'lock.mjs'])
      await copyFile(join(dirname(BOOTSTRAP), name), join(checkout, 'infra/dev', name));
    await writeFile(join(checkout, 'package.json'), '{"type":"module","engines":{"node":">=20.6"}}');
    await writeFile(join(checkout, 'package-lock.json'), '{}');
    await writeFile(
      join(checkout, 'cli/samflow.mjs'),
      "console.log(process.argv.slice(2).join(' ')); process.exitCode = 3;",
    );
    const npm = join(checkout, 'npm.js');
    await writeFile(
      npm,
      "import { mkdirSync } from 'node:fs'; mkdirSync('node_modules'); console.log('added 1 package');",
    );

    const start = () => {
      const args = [join(checkout, 'infra/dev/bootstrap.mjs'), 'samflow', 'status', '--json'];
      return spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, npm_execpath: npm } });
    };
    const first = start();
    assert.deepEqual([first.status, first.stdout], [3, 'status --json\n'], first.stderr);
    assert.match(first.stderr, /^samflow: installing the dependencies by `npm ci` \(first start\)/);
    assert.match(first.stderr, /added 1 package\n(.*\n)*samflow: installed .*in \d+ s\.\n$/);
    const second = start();
    assert.deepEqual([second.status, second.stdout, second.stderr], [3, 'status --json\n', '']);

    // A link to a folder that other checkouts use: npm would empty it.
    const shared = join(scratch, 'shared');
    await rename(join(checkout, 'node_modules'), shared);
    await rm(join(shared, '.samflow-lock'));
    await symlink(shared, join(checkout, 'node_modules'));
    const third = start();
    assert.deepEqual([third.status, third.stdout, third.stderr], [3, 'status --json\n', '']);
  });
});

describe('development servers: small parts', () => {
  it('make the secrets once, for the owner only', async () => {
    const stateDir = join(scratch, 'state');
    const [one, two] = await Promise.all([devCredentials(stateDir), devCredentials(stateDir)]);
    assert.deepEqual(one, two);
    assert.deepEqual(await devCredentials(stateDir), one);
    assert.ok(one.secretAccessKey.length >= 32 && one.patientKey.length >= 32);
    assert.equal((await stat(join(stateDir, 'credentials.json'))).mode & 0o777, 0o600);
    assert.notEqual((await devCredentials(join(scratch, 'other'))).secretAccessKey, one.secretAccessKey);
  });

  it('take another port where the preferred one is taken', async () => {
    const { createServer } = await import('node:net');
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    assert.notEqual(await freePort(port), port);
    await new Promise((resolve) => server.close(resolve));
    assert.equal(await freePort(port), port);
  });

  it('write the types of search attributes as the Temporal command reads them', () => {
    const types = ['KEYWORD', 'KEYWORD_LIST', 'DOUBLE', 'Keyword', 'KeywordList'].map(attributeType);
    assert.deepEqual(types, ['Keyword', 'KeywordList', 'Double', 'Keyword', 'KeywordList']);
  });
});
