import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ensureTool, findTool, lastLine, neededTools } from '../../../infra/dev/tools.ts';
import { scratchFolder } from '../../helpers/archives.ts';
import { survivors } from '../../helpers/cli.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';
import { writeEndlessGo, writeScript } from '../../helpers/scripts.ts';
import { until } from '../../helpers/until.ts';

const scratch = await scratchFolder();
let count = 0;
const stateDirectory = () => join(scratch, `state-${count++}`);

/** A `go` that takes a moment, writes down that it was called, and puts a tool where GOBIN says. */
async function fakeGo(
  lines = 'printf "#!/bin/sh\\necho $2" > "$GOBIN/temporal"',
): Promise<{ PATH: string; calls: string }> {
  const folder = join(scratch, `go-${count++}`);
  const calls = join(folder, 'calls');
  await mkdir(calls, { recursive: true });
  await writeScript(folder, 'go', `sleep 0.2; : > "${calls}/$$"; ${lines}`);
  return { PATH: `${folder}:/usr/bin:/bin`, calls };
}

describe('tools', () => {
  it('are not needed where their servers are configured', () => {
    assert.deepEqual(neededTools({}), ['temporal', 'versitygw']);
    assert.deepEqual(neededTools({ TEMPORAL_ADDRESS: 'cluster:7233' }), ['versitygw']);
    assert.deepEqual(neededTools({ TEMPORAL_ADDRESS: 'cluster:7233', SAMFLOW_S3_ENDPOINT: 'https://s3' }), []);
  });

  it('are found on PATH first, then in the state folder; a folder or a text file is no tool', async () => {
    const stateDir = stateDirectory();
    const [first, second] = [join(scratch, 'first'), join(scratch, 'second')];
    await mkdir(join(first, 'temporal'), { recursive: true });
    await writeFile(join(first, 'versitygw'), 'text');
    const env = { PATH: `${first}:${second}` };
    assert.equal(await findTool('temporal', { stateDir, env }), null);
    await writeScript(join(stateDir, 'bin'), 'temporal', ':');
    assert.equal(await findTool('temporal', { stateDir, env }), join(stateDir, 'bin', 'temporal'));
    await writeScript(second, 'temporal', ':');
    assert.equal(await findTool('temporal', { stateDir, env }), join(second, 'temporal'));
    assert.equal(await findTool('versitygw', { stateDir, env }), null);
  });

  it('are built once when two ask at the same time, and nothing half-made is left', async () => {
    const { PATH, calls } = await fakeGo();
    const stateDir = stateDirectory();
    const said: string[] = [];
    const ask = () => ensureTool('temporal', { stateDir, env: { PATH }, report: (line) => said.push(line) });
    const [one, two] = await Promise.all([ask(), ask()]);
    assert.deepEqual([one, two], [join(stateDir, 'bin', 'temporal'), one]);
    assert.equal((await readdir(calls)).length, 1);
    assert.deepEqual(await readdir(join(stateDir, 'bin')), ['temporal']);
    assert.match(said[0]!, /^installing temporal v1\.5\.1 by `go install`, once, about 3 minutes$/);
    assert.match(said[1]!, /^installed temporal in \d+ s$/);
  });

  it('that are being built when the user stops it end at once with all their processes, and leave nothing', async () => {
    const stateDir = stateDirectory();
    const pids = join(scratch, `pids-${count++}`);
    await writeEndlessGo(join(scratch, 'endless'), pids);
    const controller = new AbortController();
    const env = { PATH: `${join(scratch, 'endless')}:/usr/bin:/bin` };
    const options = { stateDir, env, report: () => undefined, signal: controller.signal };
    const [building, waiting] = [ensureTool('temporal', options), ensureTool('temporal', options)];
    waiting.catch(() => undefined);
    const running = await until(() => readFile(pids, 'utf8').catch(() => null));
    const reason = new Error('stopped');
    const began = performance.now();
    controller.abort(reason);
    for (const one of [building, waiting]) await assert.rejects(one, (error) => error === reason);
    assert.ok(performance.now() - began < 2_000);
    assert.deepEqual(await survivors(running.trim().split(' ').map(Number)), []);
    assert.deepEqual(await readdir(join(stateDir, 'bin')), []);
  });

  it('are built anew where a samflow that was killed has left half of one', async () => {
    const stateDir = stateDirectory();
    await writeScript(join(stateDir, 'bin', '.temporal-left'), 'temporal', ':');
    const { PATH } = await fakeGo();
    await ensureTool('temporal', { stateDir, env: { PATH }, report: () => undefined });
    assert.deepEqual(await readdir(join(stateDir, 'bin')), ['temporal']);
  });

  it('that do not build end with the last line of the log, and are tried again the next time', async () => {
    const stateDir = stateDirectory();
    const report = () => undefined;
    const broken = await fakeGo('echo first >&2; echo "dial tcp: no network" >&2; exit 1');
    await assertRejectsWithFault(
      ensureTool('temporal', { stateDir, env: { PATH: broken.PATH }, report }),
      'TOOL_INSTALL_FAILED',
      /go install failed: dial tcp: no network.*install-temporal\.log.*set TEMPORAL_ADDRESS/,
    );
    assert.deepEqual(await readdir(join(stateDir, 'bin')), []);
    const { PATH } = await fakeGo();
    assert.ok(await ensureTool('temporal', { stateDir, env: { PATH }, report }));
  });

  it('that can be neither found nor built end with what to install', async () => {
    const env = { PATH: join(scratch, 'nothing'), GOROOT: join(scratch, 'nothing') };
    await assertRejectsWithFault(
      ensureTool('versitygw', { stateDir: stateDirectory(), env, report: () => undefined }),
      'TOOL_MISSING',
      /neither versitygw nor Go on PATH.*Install Go \(https:\/\/go\.dev\/dl\) or versitygw.*set SAMFLOW_S3_ENDPOINT/,
    );
  });

  it('quote the last line that says something, and no more than a line', async () => {
    const log = join(scratch, 'some.log');
    await writeFile(log, `first\n  ${'x'.repeat(400)}\n\n`);
    assert.equal(await lastLine(log), 'x'.repeat(300));
    assert.equal(await lastLine(join(scratch, 'none.log')), 'no message');
    await writeFile(log, 'first\n\x1b[31m✗\x1b[39m KEY: found nothing. [CODE]\n');
    assert.equal(await lastLine(log), 'KEY: found nothing. [CODE]');
  });
});
