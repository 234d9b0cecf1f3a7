import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startDevServers } from '../../../infra/dev/servers.ts';
import { scratchFolder } from '../../helpers/archives.ts';
import { survivors } from '../../helpers/cli.ts';
import { writeScript } from '../../helpers/scripts.ts';
import { until } from '../../helpers/until.ts';

const scratch = await scratchFolder();

describe('servers that do not answer', () => {
  it('are waited for no longer than until the user stops it, and end then', async () => {
    const [bin, stateDir] = [join(scratch, 'bin'), join(scratch, 'state')];
    for (const name of ['temporal', 'versitygw']) {
      await writeScript(bin, name, `echo $$ > ${scratch}/${name}.pid; exec sleep 60`);
    }
    const controller = new AbortController();
    const starting = startDevServers({
      ...{ stateDir, env: { PATH: `${bin}:/usr/bin:/bin` }, ports: 'random', report: () => undefined },
      signal: controller.signal,
    });
    starting.catch(() => undefined);
    const pidOf = (name: string) => until(() => readFile(join(scratch, `${name}.pid`), 'utf8').catch(() => null));
    const pids = [Number(await pidOf('temporal')), Number(await pidOf('versitygw'))];
    const [reason, began] = [new Error('stopped'), performance.now()];
    controller.abort(reason);
    await assert.rejects(starting, (error) => error === reason);
    assert.ok(performance.now() - began < 2_000);
    assert.deepEqual(await survivors(pids), []);
    assert.ok(!(await readdir(stateDir)).some((name) => /^servers\.(json|sock|lock)$/.test(name)));
  });
});
