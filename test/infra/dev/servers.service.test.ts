import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { isAlive } from '../../../infra/dev/lock.mjs';
import { type DevServers, startDevServers, stopDevServers } from '../../../infra/dev/servers.ts';
import { S3Store } from '../../../lib/artifacts/s3-store.ts';
import { scratchFolder } from '../../helpers/archives.ts';
import { testEnv, withoutTools } from '../../helpers/dev-servers.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';
import { until } from '../../helpers/until.ts';

const scratch = await scratchFolder();
let count = 0;
const stateFolder = () => join(scratch, `state-${count++}`);
const open = new Set<string>();
after(async () => {
  for (const stateDir of open) await stopDevServers(stateDir);
});

interface Settings {
  stateDir: string;
  env?: NodeJS.ProcessEnv;
  searchAttributes?: Record<string, string>;
}
function start({ stateDir, env = {}, searchAttributes }: Settings): Promise<DevServers> {
  open.add(stateDir);
  const options = { stateDir, searchAttributes, ports: 'random' as const, report: () => undefined };
  return startDevServers({ ...options, env: { ...testEnv(), ...env } });
}
/** S3 alone starts in a tenth of a second, and stands for both where it does not matter which. */
const S3_ONLY = { TEMPORAL_ADDRESS: 'cluster:7233' };

const pidsIn = async (stateDir: string): Promise<number[]> =>
  JSON.parse(await readFile(join(stateDir, 'servers.json'), 'utf8')).pids;

async function answers(address: string): Promise<boolean> {
  const [host, port] = address.replace('http://', '').split(':');
  const socket = connect(Number(port), host);
  return new Promise((resolve) => {
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
  }).finally(() => socket.destroy()) as Promise<boolean>;
}

describe('development servers', { skip: await withoutTools('temporal', 'versitygw') }, () => {
  it('start, answer, take search attributes, and leave no process and no open port', async () => {
    const stateDir = stateFolder();
    const servers = await start({ stateDir, searchAttributes: { SamflowName: 'KEYWORD', SamflowDice: 'Double' } });
    assert.equal(servers.reused, false);
    assert.equal(await answers(servers.temporalAddress), true);
    assert.match(await (await fetch(servers.uiUrl!)).text(), /<html/i);
    const store = new S3Store(servers.s3);
    await store.put('a', Buffer.from('x'));
    assert.equal((await store.get('a'))?.bytes.length, 1);
    const pids = await pidsIn(stateDir);
    assert.equal(pids.length, 2);
    await servers.stop();
    assert.deepEqual(pids.map(isAlive), [false, false]);
    assert.equal(await answers(servers.temporalAddress), false);
    assert.equal(existsSync(join(stateDir, 'servers.json')), false);
  });

  it('listen on the loopback address alone, the Web UI too', async (context) => {
    const others = Object.values(networkInterfaces()).flatMap((list) =>
      (list ?? []).filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address),
    );
    if (others.length === 0) return context.skip('this machine has no other address');
    const servers = await start({ stateDir: stateFolder() });
    for (const url of [`http://${servers.temporalAddress}`, servers.uiUrl!, servers.s3.endpoint]) {
      assert.equal(await answers(url), true, url);
      for (const other of others)
        assert.equal(await answers(url.replace('127.0.0.1', other)), false, `${url} on ${other}`);
    }
    await servers.stop();
  });

  it('keep what was stored, and register attributes that a newer samflow adds', async () => {
    const stateDir = stateFolder();
    const first = await start({ stateDir, searchAttributes: { SamflowName: 'KEYWORD' } });
    const { accessKeyId } = first.s3;
    await new S3Store(first.s3).put('a', Buffer.from('kept'));
    await first.stop();
    const second = await start({ stateDir, searchAttributes: { SamflowName: 'KEYWORD', SamflowStage: 'KEYWORD' } });
    assert.equal(Buffer.from((await new S3Store(second.s3).get('a'))!.bytes).toString(), 'kept');
    assert.equal(second.s3.accessKeyId, accessKeyId);
    await second.stop();
  });

  it('are shared by two, and end with the second', async () => {
    const stateDir = stateFolder();
    const [first, second] = await Promise.all([start({ stateDir, env: S3_ONLY }), start({ stateDir, env: S3_ONLY })]);
    assert.deepEqual([first.reused, second.reused].sort(), [false, true]);
    assert.equal(first.s3.endpoint, second.s3.endpoint);
    const pids = await pidsIn(stateDir);
    await first.stop();
    assert.equal(await answers(second.s3.endpoint), true);
    await second.stop();
    await until(() => !pids.some(isAlive));
  });

  it('stay with `keep`, are found again, and can be stopped from elsewhere', async () => {
    const stateDir = stateFolder();
    const first = await start({ stateDir, env: S3_ONLY });
    const pids = await pidsIn(stateDir);
    await first.stop({ keep: true });
    assert.deepEqual(pids.map(isAlive), [true]);
    const second = await start({ stateDir, env: S3_ONLY });
    assert.deepEqual([second.reused, second.s3], [true, first.s3]);
    await second.stop();
    assert.equal(await answers(first.s3.endpoint), true);
    assert.equal(await stopDevServers(stateDir), true);
    await until(() => !pids.some(isAlive));
    assert.equal(await stopDevServers(stateDir), false);
  });

  it('end when the process that started them gets SIGKILL, and start again', async () => {
    const stateDir = stateFolder();
    const module = new URL('../../../infra/dev/servers.ts', import.meta.url);
    const script = `
      import { startDevServers } from '${module}';
      const servers = await startDevServers({ stateDir: '${stateDir}', ports: 'random' });
      console.log(servers.s3.endpoint);
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      ...{ stdio: ['ignore', 'pipe', 'inherit'], env: testEnv() },
    });
    await once(child.stdout!, 'data');
    const pids = await pidsIn(stateDir);
    child.kill('SIGKILL');
    await until(() => !pids.some(isAlive));
    await until(() => !existsSync(join(stateDir, 'servers.json')));
    const again = await start({ stateDir, env: S3_ONLY });
    assert.equal(again.reused, false);
    await again.stop();
  });

  it('wait for those that are just ending, instead of starting on the same data file', async () => {
    const stateDir = stateFolder();
    const env = { SAMFLOW_S3_ENDPOINT: 'http://s3' };
    const first = await start({ stateDir, env });
    const [pid] = await pidsIn(stateDir);
    const stopping = first.stop();
    const second = await start({ stateDir, env });
    assert.deepEqual([second.reused, isAlive(pid!)], [false, false]);
    await stopping;
    await second.stop();
  });

  it('that outlived their supervisor are ended before new ones start', async () => {
    const stateDir = stateFolder();
    const first = await start({ stateDir, env: S3_ONLY });
    const [pid] = await pidsIn(stateDir);
    const supervisor = Number((await readFile(`/proc/${pid}/stat`, 'utf8')).split(' ')[3]);
    process.kill(supervisor, 'SIGKILL');
    await until(() => !isAlive(supervisor));
    assert.equal(isAlive(pid!), true);
    const second = await start({ stateDir, env: S3_ONLY });
    assert.deepEqual([second.reused, isAlive(pid!)], [false, false]);
    await first.stop();
    await second.stop();
  });

  it('leave a stranger alone that has the number of one of them now', async () => {
    const stateDir = stateFolder();
    await mkdir(stateDir, { recursive: true });
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    const socket = join(stateDir, 'servers.sock');
    const state = { version: 1, socket, temporal: null, s3: null, pids: [stranger.pid] };
    await writeFile(join(stateDir, 'servers.json'), JSON.stringify(state));
    const servers = await start({ stateDir, env: S3_ONLY });
    assert.equal(isAlive(stranger.pid!), true);
    stranger.kill();
    await servers.stop();
  });

  it('start over a state file that is damaged', async () => {
    const stateDir = stateFolder();
    await mkdir(stateDir, { recursive: true });
    await writeFile(join(stateDir, 'servers.json'), '{"version":');
    const servers = await start({ stateDir, env: S3_ONLY });
    await servers.stop();
  });

  it('say so when one of them ends by itself', async () => {
    const stateDir = stateFolder();
    const servers = await start({ stateDir, env: S3_ONLY });
    const [pid] = await pidsIn(stateDir);
    process.kill(pid!, 'SIGKILL');
    const fault = await servers.failed;
    assert.equal(fault.code, 'SERVER_FAILED');
    assert.match(fault.message, /^versitygw: found ended by SIGKILL.*versitygw\.log/);
    await servers.stop();
  });

  it('do not start when the folder cannot be used, and name the log', async () => {
    const stateDir = stateFolder();
    await mkdir(stateDir, { recursive: true });
    // A folder where the server wants its data file.
    await mkdir(join(stateDir, 'temporal.db'));
    const env = { SAMFLOW_S3_ENDPOINT: 'http://s3' };
    await assertRejectsWithFault(
      start({ stateDir, env }),
      'SERVER_FAILED',
      /temporal: found ended with code 1.*temporal\.log/,
    );
    assert.equal(existsSync(join(stateDir, 'servers.json')), false);
  });

  it('are not started where others are configured', async () => {
    const env = { TEMPORAL_ADDRESS: 'cluster:7233', SAMFLOW_S3_ENDPOINT: 'https://s3', SAMFLOW_S3_BUCKET: 'ours' };
    const stateDir = stateFolder();
    const servers = await start({ stateDir, env });
    assert.deepEqual(
      [servers.temporalAddress, servers.uiUrl, servers.s3],
      ['cluster:7233', null, { endpoint: 'https://s3', region: 'us-east-1', bucket: 'ours' }],
    );
    await servers.stop();
    assert.deepEqual(await readdir(stateDir), ['credentials.json']);
  });

  it('refuse to be shared by two that want different ones', async () => {
    const stateDir = stateFolder();
    const servers = await start({ stateDir, env: S3_ONLY });
    await assertRejectsWithFault(start({ stateDir }), 'SERVERS_DIFFER', /Stop the other samflow/);
    assert.equal(await answers(servers.s3.endpoint), true);
    await servers.stop();
  });

  it('keep secrets out of state file, logs and command lines', async () => {
    const stateDir = stateFolder();
    const servers = await start({ stateDir, env: S3_ONLY });
    const { secretAccessKey } = servers.s3;
    await new S3Store(servers.s3).put('a', Buffer.from('x'));
    const [pid] = await pidsIn(stateDir);
    const places = [join(stateDir, 'servers.json'), join(stateDir, 'logs', 'versitygw.log'), `/proc/${pid}/cmdline`];
    for (const place of places) assert.ok(!(await readFile(place, 'utf8')).includes(secretAccessKey!), place);
    assert.equal((await stat(stateDir)).mode & 0o077, 0);
    assert.equal((await stat(join(stateDir, 'servers.sock'))).mode & 0o077, 0);
    await servers.stop();
  });
});
