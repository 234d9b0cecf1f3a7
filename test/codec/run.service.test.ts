import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, type Payload } from '@temporalio/common';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { FAILURE_CONVERTER, openDataConverter } from '../../codec/data-converter.ts';
import { EncryptionCodec } from '../../codec/encryption.ts';
import { parseCodecKeys } from '../../codec/keys.ts';
import { startCodecServer } from '../../codec/server.ts';
import { MESSAGES } from '../../contracts/messages.ts';
import type { Progress } from '../../contracts/pipeline.ts';
import { findTool } from '../../infra/dev/tools.ts';
import { phantomFiles } from '../../lib/dataset/phantom.ts';
import { keepAnswers } from '../helpers/answers.ts';
import { INSTALLED, withoutTools } from '../helpers/dev-servers.ts';
import { textOf } from '../helpers/events.ts';
import { type Bucket, Installation, smallRun } from '../helpers/installation.ts';

const COMMAND = fileURLToPath(new URL('../../cli/samflow.mjs', import.meta.url));
const WORKFLOWS = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));
const key = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`;
const [OLD, NEW] = [key('old'), key('new')];
/** Settings, artifact keys, patients' keys, words of messages: what payloads and failures hold of a run. */
const CLEAR = /cas\/sha256|minForegroundPixels|"window"|p-[0-9a-f]{12}|ct\.nii\.gz|expected at least|Dice|fixture/;

/** Search attributes are what a server searches by, so no codec reaches them: what they hold is decided by their contract. */
const withoutAttributes = (text: string): string =>
  text.replace(/"indexedFields":\{("\w+":\{[^{}]*(\{[^{}]*\})?[^{}]*\},?)*\}/g, '');

/** Every payload of a message decoded, wherever it stands; the rest as it is. */
async function decoded(message: unknown, decode: (payloads: Payload[]) => Promise<Payload[]>): Promise<unknown> {
  if (Array.isArray(message)) return Promise.all(message.map((part) => decoded(part, decode)));
  if (typeof message !== 'object' || message === null || message instanceof Uint8Array) return message;
  if ('metadata' in message && 'data' in message) return (await decode([message as Payload]))[0];
  const parts = Object.entries(message).map(async ([name, part]) => [name, await decoded(part, decode)]);
  return Object.fromEntries(await Promise.all(parts));
}

describe('a run whose payloads are encrypted', { skip: await withoutTools('temporal', 'versitygw') }, () => {
  let installation: Installation;
  let bucket: Bucket;
  let folder: string;
  let failure: ApplicationFailure;
  const IDS = ['sealed', 'sealed-broken', 'sealed/encode'];

  before(
    async () => {
      folder = await mkdtemp(join(tmpdir(), 'samflow-sealed-'));
      const [scan, mask] = phantomFiles(1, 7);
      await mkdir(join(folder, 'one'));
      await writeFile(join(folder, 'one', 'ct.nii.gz'), scan!.bytes.subarray(0, 5_000));
      await writeFile(join(folder, 'one', 'mask.nii.gz'), mask!.bytes);
      installation = await Installation.open({ codecKeys: OLD });
      bucket = installation.bucket('sealed');
      await Promise.all([installation.startWorker('io,cpu', bucket), installation.startWorker('gpu', bucket)]);
      const run = await installation.startRun('sealed', smallRun('sealed', { epochs: 1 }), bucket);
      await installation.whileWorking(run.result());
      const broken = await installation.startRun(
        'sealed-broken',
        {
          ...smallRun('sealed'),
          source: { kind: 'local', path: folder },
          dataset: { target: 'lungs', pattern: { image: '{patient}/ct.nii.gz', mask: '{patient}/mask.nii.gz' } },
        },
        bucket,
      );
      await assert.rejects(installation.whileWorking(broken.result()), (error) => {
        assert.ok(error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure);
        failure = error.cause;
        return true;
      });
    },
    { timeout: 300_000 },
  );
  after(async () => {
    await installation?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const historyOf = (id: string) => installation.client.workflow.getHandle(id).fetchHistory();
  const command = (env: NodeJS.ProcessEnv, ...args: string[]) =>
    promisify(execFile)(process.execPath, [COMMAND, ...args], { env }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );

  it('leaves nothing of settings, keys and messages in clear in any history or description', async () => {
    for (const id of IDS) {
      const { raw } = await installation.client.workflow.getHandle(id).describe();
      const text = withoutAttributes(textOf(await historyOf(id)) + textOf(raw));
      assert.match(text, /encryption-key-id/, id);
      assert.doesNotMatch(text, CLEAR, id);
    }
    // The code of a failure is its type, which no codec reaches; its sentence is hidden.
    assert.match(textOf(await historyOf('sealed-broken')), /"Encoded failure".*"NIFTI_TRUNCATED"/s);
  });

  it('can be read by who has the key: results, queries, failures and, payload by payload, the history', async () => {
    const { payloadCodecs } = openDataConverter({ keys: OLD, keysFile: null });
    const plain = await decoded(JSON.parse(JSON.stringify(await historyOf('sealed'))), async ([payload]) => {
      const { metadata, data } = payload as unknown as { metadata: Record<string, string>; data: string };
      const bytes = Object.entries(metadata).map(([name, word]) => [name, Buffer.from(word, 'base64')]);
      const sealed = { metadata: Object.fromEntries(bytes), data: Buffer.from(data, 'base64') };
      const [clear] = await payloadCodecs![0]!.decode([sealed]);
      return [{ data: Buffer.from(clear!.data!).toString('utf8') as unknown as Uint8Array }];
    });
    const text = JSON.stringify(plain);
    for (const word of [/cas\/sha256/, /minForegroundPixels/, /p-[0-9a-f]{12}/]) assert.match(text, word);
    assert.match(failure.message, /^ct\.nii\.gz: found .*\[NIFTI_TRUNCATED\]$/);
    const progress = await installation.client.workflow.getHandle('sealed').query<Progress>(MESSAGES.progress);
    assert.equal(progress.stages.at(-1)?.name, 'report');
  });

  it('is decided again as it was, by a bundle and by a worker that have the converters, and by no other', async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    const workflowBundle = await bundleWorkflowCode({
      ...{ workflowsPath: WORKFLOWS, failureConverterPath: FAILURE_CONVERTER },
      logger: new DefaultLogger('ERROR'),
    });
    const rotated = openDataConverter({ keys: `${NEW},${OLD}`, keysFile: null });
    for (const id of IDS)
      await Worker.runReplayHistory({ workflowBundle, dataConverter: rotated }, await historyOf(id), id);
    const other = openDataConverter({ keys: NEW, keysFile: null });
    await assert.rejects(async () =>
      Worker.runReplayHistory({ workflowBundle, dataConverter: other }, await historyOf('sealed'), 'sealed'),
    );
  });

  it('is shown by Temporal’s own command to who has the token of the codec server', async () => {
    const token = 'a token of the test, long enough';
    const codec = new EncryptionCodec(parseCodecKeys(`${NEW},${OLD}`, 'test'));
    const server = await startCodecServer({ codec, port: 0, token, origins: [], encodes: false });
    const between = await keepAnswers(server.url);
    const temporal = (await findTool('temporal', { stateDir: INSTALLED }))!;
    const show = async (auth: string) => {
      const address = installation.environment(bucket).TEMPORAL_ADDRESS!;
      const at = ['--address', address, '--codec-endpoint', between.url, '--codec-auth', auth];
      const args = ['workflow', 'show', '--workflow-id', 'sealed', '--output', 'json', ...at];
      return promisify(execFile)(temporal, args, { maxBuffer: 2 ** 26 });
    };
    try {
      const { stdout } = await show(`Bearer ${token}`);
      const inClear = stdout.replace(/"data": "([^"]*)"/g, (_, data: string) => Buffer.from(data, 'base64').toString());
      assert.match(inClear, /minForegroundPixels/);
      assert.ok(between.statuses.splice(0).every((status) => status === 200));
      // In what words the command gives up is its own affair: it asks again until its time is over. What it was answered is not.
      await assert.rejects(
        show('Bearer another'),
        ({ stdout }: { stdout: string }) => !/minForegroundPixels/.test(stdout),
      );
      assert.deepEqual([...new Set(between.statuses)], [401]);
    } finally {
      between.close();
      await server.close();
    }
  });

  it('leaves files that the worker’s account alone can read', { skip: process.platform === 'win32' }, async () => {
    const home = installation.environment(bucket).SAMFLOW_HOME!;
    const files = [];
    for (const folder of ['cache', 'logs']) {
      for (const name of await readdir(join(home, folder), { recursive: true })) {
        const { mode } = await stat(join(home, folder, name));
        // The servers' own logs are the supervisor's, in a folder that nobody else can enter.
        if (folder === 'cache' || name.startsWith('io')) files.push([name, mode & 0o077]);
      }
    }
    assert.deepEqual(
      files.filter(([, others]) => others !== 0),
      [],
    );
    assert.ok(files.length > 1);
  });

  it('is shown by the command line to who has the key, after a rotation too, and to nobody else', async () => {
    const env = installation.environment(bucket);
    const shown = await command({ ...env, SAMFLOW_CODEC_KEYS: `${NEW},${OLD}` }, 'status', 'sealed', '--json');
    assert.equal(shown.code, 0, shown.stderr);
    assert.equal(JSON.parse(shown.stdout.trimEnd().split('\n').at(-1)!).status, 'completed');
    const failed = await command(env, 'status', 'sealed-broken');
    assert.match(failed.stderr + failed.stdout, /ct\.nii\.gz: found .*\[NIFTI_TRUNCATED\]/);
    for (const keys of ['', NEW]) {
      const refused = await command({ ...env, SAMFLOW_CODEC_KEYS: keys }, 'status', 'sealed');
      assert.equal(refused.code, 2, refused.stderr);
      assert.match(
        refused.stderr,
        /^✗ SAMFLOW_CODEC_KEYS: found a payload under the key old, .*\[PAYLOAD_KEY_UNKNOWN\]\n$/,
      );
    }
  });
});
