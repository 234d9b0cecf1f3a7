import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { constants, gunzipSync, gzipSync } from 'node:zlib';
import { HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { RunConfigInput } from '../contracts/config.ts';
import type { PipelineResult } from '../contracts/pipeline.ts';
import { phantomFiles } from '../lib/dataset/phantom.ts';
import { withoutTools } from './helpers/dev-servers.ts';
import { writePhantomSeries } from './helpers/dicom-series.ts';
import { textOf } from './helpers/events.ts';
import { type Bucket, Installation, smallRun } from './helpers/installation.ts';

/** A patient whom nobody can overlook: name, number, date of birth, clinic, doctor and the UIDs of the study. */
const CANARY = 'QUACKENBUSH^THADDEUS';
const NAMES = /quackenbush|thaddeus|mrn8675309|1931-?02-?13|st_elsewhere|zhivago|1\.2\.840\.8675309/i;
const PATIENTS = [1, 2, 3];
const folderOf = (patient: number): string => `Quackenbush_Thaddeus_${patient}_MRN8675309`;
const SCAN = 'CT_Quackenbush_1931-02-13.nii.gz';
const MASK = 'lungs_Thaddeus_MRN8675309.nii.gz';

/** In every element that may hold words of somebody: those of PS3.15's basic profile that scanners do fill. */
const PLANTED_TAGS = {
  '00080018': ['UI', '1.2.840.8675309.3'],
  '00080020': ['DA', '19310213'],
  '00080050': ['SH', 'MRN8675309'],
  '00080080': ['LO', 'ST_ELSEWHERE'],
  '00080090': ['PN', 'ZHIVAGO^YURI'],
  '00081030': ['LO', 'Chest of Quackenbush'],
  '00091001': ['LO', 'Thaddeus, a private tag'],
  '00100020': ['LO', 'MRN8675309'],
  '00100030': ['DA', '19310213'],
  '00104000': ['LT', 'Mr. Quackenbush, born 1931-02-13'],
  '0020000d': ['UI', '1.2.840.8675309.1'],
  '0020000e': ['UI', '1.2.840.8675309.2'],
  '00200010': ['SH', 'MRN8675309'],
} as const;

/** What workers and commands are told in confidence, each made up for this one time. */
const secret = (): string => randomBytes(18).toString('hex');
const SECRETS = {
  SAMFLOW_PATIENT_KEY: secret(),
  HF_TOKEN: `hf_${secret()}`,
  KAGGLE_USERNAME: secret(),
  KAGGLE_KEY: secret(),
  KAGGLE_API_TOKEN: secret(),
  SAMFLOW_SOURCE_S3_ACCESS_KEY_ID: secret(),
  SAMFLOW_SOURCE_S3_SECRET_ACCESS_KEY: secret(),
};
const COMMAND = fileURLToPath(new URL('../cli/samflow.mjs', import.meta.url));

/** Writes names into every text field of a NIfTI header: descrip, aux_file and intent_name. */
function planted(gzipped: Uint8Array): Buffer {
  const bytes = gunzipSync(gzipped);
  bytes.write(`${CANARY} *1931-02-13`, 148, 80, 'latin1');
  bytes.write('MRN8675309', 228, 24, 'latin1');
  bytes.write('QUACKENBUSH', 328, 16, 'latin1');
  return gzipSync(bytes);
}

/** An object's text, unpacked where it is packed, as far as it goes where it was cut off. */
function contentOf(bytes: Uint8Array): string {
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const plain = packed ? gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }) : bytes;
  return Buffer.from(plain).toString('latin1');
}

/** A file that cannot be opened, even by root: one of the kernel's that are for writing only, where there is one. */
async function forbidden(path: string): Promise<void> {
  if (process.platform === 'linux') return symlink('/proc/sys/vm/compact_memory', path);
  await writeFile(path, '');
  await chmod(path, 0);
}

describe('a patient’s name', { skip: await withoutTools('temporal', 'versitygw') }, () => {
  let installation: Installation;
  let bucket: Bucket;
  let folder: string;
  let series: string;
  let result: PipelineResult;
  /** Everything that must be found nowhere: the secrets of above, and the accounts of the store. */
  let secrets: [name: string, value: string][];
  /** Of commands. */
  let env: NodeJS.ProcessEnv;
  /** What the command line has written, by its arguments. */
  const said = new Map<string, string>();
  /** What may name patients: the description of the source, who has which files, and the files as they came. */
  const mayName = new Set<string>();
  before(
    async () => {
      folder = await mkdtemp(join(tmpdir(), 'samflow-privacy-'));
      const source = join(folder, 'Quackenbush_family');
      const files = phantomFiles(PATIENTS.length, 7).map(({ bytes }) => planted(bytes));
      for (const patient of PATIENTS) {
        await mkdir(join(source, folderOf(patient)), { recursive: true });
        await writeFile(join(source, folderOf(patient), SCAN), files[patient - 1]!);
        await writeFile(join(source, folderOf(patient), MASK), files[PATIENTS.length + patient - 1]!);
      }
      const broken = join(source, 'broken', folderOf(1));
      await mkdir(broken, { recursive: true });
      await writeFile(join(broken, 'ct.nii.gz'), files[0]!.subarray(0, 5_000));
      await writeFile(join(broken, 'mask.nii.gz'), files[PATIENTS.length]!);

      const denied = join(source, 'denied', folderOf(1));
      await mkdir(denied, { recursive: true });
      await forbidden(join(denied, 'ct.nii.gz'));
      await writeFile(join(denied, 'mask.nii.gz'), files[PATIENTS.length]!);

      installation = await Installation.open();
      bucket = installation.bucket('private');
      const environment = installation.environment(bucket);
      const { SAMFLOW_S3_SECRET_ACCESS_KEY: storeSecret } = environment;
      secrets = Object.entries({ ...SECRETS, SAMFLOW_S3_SECRET_ACCESS_KEY: storeSecret! });
      const loud = { ...SECRETS, SAMFLOW_LOG_LEVEL: 'trace' };
      await Promise.all([
        installation.startWorker('io,cpu', bucket, loud),
        installation.startWorker('gpu', bucket, loud),
      ]);
      const list = (patients: readonly number[], scan: string, mask: string): RunConfigInput['dataset'] => ({
        target: 'lungs',
        patients: patients.map((patient) => ({
          id: `${CANARY} ${patient}`,
          image: `${folderOf(patient)}/${scan}`,
          mask: `${folderOf(patient)}/${mask}`,
        })),
      });
      const config = smallRun('private', { epochs: 1 });
      const local = (path: string): RunConfigInput['source'] => ({ kind: 'local', path });
      const run = { ...config, source: local(source), dataset: list(PATIENTS, SCAN, MASK) };
      result = await installation.whileWorking((await installation.startRun('private', run, bucket)).result());
      // Their files are named without a patient, as who reads messages of errors is told to do; their folders are not.
      const failing = (part: string) => ({
        ...{ ...config, source: local(join(source, part)), dataset: list([1], 'ct.nii.gz', 'mask.nii.gz') },
      });
      for (const [part, code, config] of [
        ['broken', 'NIFTI_TRUNCATED', failing('broken')],
        ['denied', 'SOURCE_DENIED', failing('denied')],
        // Of the patients that the first run has read: later stages, which see what that one has made of them.
        ['slice', 'SLICES_EMPTY', { ...run, slices: { ...run.slices, minForegroundPixels: 1_000_000 } }],
        ['split', 'SPLIT_TOO_FEW_PATIENTS', { ...run, split: { val: 3 } }],
        ['fine-tune', 'TRAINING_NO_SAMPLES', { ...run, prompts: { ...run.prompts, minComponentPixels: 1_000_000 } }],
      ] as const) {
        const failed = await installation.startRun(`private-${part}`, config, bucket);
        await assert.rejects(installation.whileWorking(failed.result()), (error) => {
          assert.ok(error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure);
          assert.equal(error.cause.type, code, error.cause.message);
          return true;
        });
      }

      series = join(source, 'CT_of_Thaddeus_1931-02-13');
      await writePhantomSeries(series, 7, CANARY, PLANTED_TAGS);
      const scans = [join(source, folderOf(1), SCAN), series];
      env = { ...environment, ...SECRETS, SAMFLOW_DEBUG: '1' };
      for (const args of [
        ['infer', ...scans, '--run', 'private', '-o', join(folder, 'masks'), '--json'],
        ['status', 'private', '--json'],
        ['status', 'private-denied'],
        ['status', 'private-fine-tune'],
        ['status'],
        ['audit'],
      ]) {
        const run = promisify(execFile)(process.execPath, [COMMAND, ...args], { env });
        const ended = await installation.whileWorking(run.catch((error) => error));
        said.set(args[0] === 'infer' ? 'infer' : args.slice(0, 2).join(' '), ended.stdout + ended.stderr);
      }
    },
    { timeout: 300_000 },
  );
  after(async () => {
    await installation?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Fails where a text holds a secret; it is named, not shown. */
  const assertKept = (text: string, where: string): void => {
    assert.deepEqual(
      secrets.filter(([, value]) => text.includes(value)).map(([name]) => `${name} in ${where}`),
      [],
    );
  };

  it('stands in no workflow: neither in its id, attributes and details, nor in any event of its history', async () => {
    const seen: string[] = [];
    for await (const { workflowId, runId } of installation.client.workflow.list()) {
      const handle = installation.client.workflow.getHandle(workflowId, runId);
      const { events } = await handle.fetchHistory();
      const text = textOf(events) + textOf((await handle.describe()).raw);
      // A control: keys and settings are found in the text, so names would be too.
      assert.match(text, workflowId === 'private' ? /p-[0-9a-f]{12}.*minForegroundPixels/s : /sha256/);
      assert.doesNotMatch(text, NAMES, workflowId);
      assertKept(text, workflowId);
      seen.push(workflowId.replace(/^infer-\w{12}$/, 'infer'));
    }
    const failed = ['broken', 'denied', 'fine-tune', 'fine-tune/encode', 'slice', 'split'].map(
      (part) => `private-${part}`,
    );
    assert.deepEqual(seen.sort(), ['infer', 'private', ...failed, 'private/encode']);
  });

  it('is not what a history says of who started a run: that is the account at the command line', async () => {
    const histories = [];
    for await (const { workflowId } of installation.client.workflow.list({ query: "WorkflowType = 'inferWorkflow'" })) {
      histories.push(await installation.client.workflow.getHandle(workflowId).fetchHistory());
    }
    assert.deepEqual(
      histories.map(({ events }) => events?.[0]?.workflowExecutionStartedEventAttributes?.identity),
      [`samflow:${userInfo().username}@${hostname()}`],
    );
  });

  it('stands in no log of a worker, however loud', async () => {
    const logs = await installation.logs();
    assert.match(logs, /infer-\w{12}/);
    assert.match(logs, /SOURCE_DENIED.*EACCES/);
    for (const code of ['SLICES_EMPTY', 'SPLIT_TOO_FEW_PATIENTS', 'TRAINING_NO_SAMPLES'])
      assert.match(logs, new RegExp(code));
    assert.doesNotMatch(logs, NAMES);
    assertKept(logs, 'a log');
  });

  it('stands in no key of the store and in nothing that the server keeps beside an object', async () => {
    const { SAMFLOW_S3_ENDPOINT, SAMFLOW_S3_ACCESS_KEY_ID, ...env } = installation.environment(bucket);
    const credentials = {
      accessKeyId: SAMFLOW_S3_ACCESS_KEY_ID!,
      secretAccessKey: env.SAMFLOW_S3_SECRET_ACCESS_KEY!,
    };
    const client = new S3Client({
      endpoint: SAMFLOW_S3_ENDPOINT!,
      region: 'us-east-1',
      credentials,
      forcePathStyle: true,
    });
    let objects = 0;
    for await (const { key } of bucket.store.list('')) {
      const { $metadata, ...head } = await client.send(new HeadObjectCommand({ Bucket: bucket.name, Key: key }));
      assert.doesNotMatch(key + JSON.stringify(head), NAMES);
      assert.deepEqual(head.Metadata ?? {}, {}, key);
      assertKept(key + JSON.stringify(head), key);
      objects += 1;
    }
    client.destroy();
    assert.ok(objects > 50, `${objects} objects`);
  });

  it('stands in no line of the command’s but where it repeats the path that it was given', () => {
    assert.match(said.get('status private')!, /"status":"completed"/);
    assert.match(said.get('infer')!, /"status":"completed"/);
    assert.match(said.get('audit')!, /"workflow":"private",.*"action":"start"/);
    for (const [args, text] of said) {
      assertKept(text, args);
      // The file at fault of a run that failed, for its user alone; see below.
      if (args !== 'infer' && args !== 'status private-denied') assert.doesNotMatch(text, NAMES, args);
    }
    assert.match(said.get('status private-denied')!, /SOURCE_DENIED/);
  });

  it('needs no company of secrets: none stands among the arguments of any process', {
    skip: process.platform !== 'linux',
  }, async () => {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
    assert.match(lines.join('\n'), /samflow\.mjs\0worker/);
    assertKept(lines.join('\n'), 'an argument');
  });

  it('stands in the store only where it has to: the source’s description, the lists of files, the files themselves', async () => {
    for await (const { key } of bucket.store.list('cas/')) {
      const text = contentOf((await bucket.store.get(key))!.bytes);
      assertKept(text, key);
      const isNifti = text.slice(344, 347) === 'n+1' && text.slice(148).startsWith(CANARY);
      const isFile = isNifti || (text.slice(128, 132) === 'DICM' && text.includes(CANARY));
      const isList = text.startsWith('{"image":[{"name":') || text.startsWith('{"dataset":{"patients":');
      if (isFile || isList) mayName.add(key);
      else assert.doesNotMatch(text, NAMES, `${key}: ${text.slice(0, 200)}`);
    }
    // Three descriptions, six lists of files, six whole volumes and one cut off, and the slices of the series.
    assert.equal(mayName.size, 16 + (await readdir(series)).length);
  });

  it('stands in no manifest, no record of a run, no split record, no model and no report', async () => {
    for (const prefix of ['memo/', 'runs/', 'models/']) {
      for await (const { key } of bucket.store.list(prefix)) {
        const text = contentOf((await bucket.store.get(key))!.bytes);
        assert.doesNotMatch(text, NAMES, key);
        assertKept(text, key);
      }
    }
    const { split, package: model, report, evaluation, masks } = result;
    for (const ref of [split.record, model, report, evaluation, ...masks.map(({ mask }) => mask)]) {
      assert.ok(!mayName.has(ref.key), ref.kind);
      assert.doesNotMatch(contentOf(await bucket.artifacts.get(ref)), NAMES, ref.kind);
    }
  });

  it('stands nowhere in the store after the patients and the run that segmented the series were deleted', async () => {
    const inferred = JSON.parse(
      said
        .get('infer')!
        .trim()
        .split('\n')
        .find((line) => line.startsWith('{'))!,
    ).run;
    const ids = PATIENTS.map((patient) => `${CANARY} ${patient}`);
    for (const what of [...ids.map((id) => ['--patient', id]), [inferred]]) {
      const { stdout } = await promisify(execFile)(process.execPath, [COMMAND, 'delete', ...what, '--yes'], { env });
      assert.match(stdout, /\nDeleted \d+ objects/);
      assert.doesNotMatch(stdout, NAMES);
    }
    let objects = 0;
    for await (const { key } of bucket.store.list('')) {
      assert.doesNotMatch(key + contentOf((await bucket.store.get(key))!.bytes), NAMES, key);
      objects += 1;
    }
    // Of three trainings' worth: the weights, the base model, records and what has no names.
    assert.ok(objects > 10, `${objects} objects`);
  });
});
