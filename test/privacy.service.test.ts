import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { constants, gunzipSync, gzipSync } from 'node:zlib';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { RunConfigInput } from '../contracts/config.ts';
import type { PipelineResult } from '../contracts/pipeline.ts';
import type { PatientFiles } from '../contracts/stages.ts';
import { phantomFiles } from '../lib/dataset/phantom.ts';
import { withoutTools } from './helpers/dev-servers.ts';
import { textOf } from './helpers/events.ts';
import { type Bucket, Installation, smallRun } from './helpers/installation.ts';

/** A patient whom nobody can overlook: name, number and date of birth. */
const CANARY = 'QUACKENBUSH^THADDEUS';
const NAMES = /quackenbush|thaddeus|mrn8675309|1931-?02-?13/i;
const PATIENTS = [1, 2, 3];
const folderOf = (patient: number): string => `Quackenbush_Thaddeus_${patient}_MRN8675309`;
const SCAN = 'CT_Quackenbush_1931-02-13.nii.gz';
const MASK = 'lungs_Thaddeus_MRN8675309.nii.gz';

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
  let result: PipelineResult;
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
      const loud = { SAMFLOW_LOG_LEVEL: 'trace' };
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
      for (const [part, code] of [
        ['broken', 'NIFTI_TRUNCATED'],
        ['denied', 'SOURCE_DENIED'],
      ] as const) {
        const failed = await installation.startRun(`private-${part}`, failing(part), bucket);
        await assert.rejects(installation.whileWorking(failed.result()), (error) => {
          assert.ok(error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure);
          assert.equal(error.cause.type, code, error.cause.message);
          return true;
        });
      }

      // As `samflow infer` puts a scan into the store.
      const ref = await bucket.artifacts.put('scan', files[0]!);
      const path = join(source, folderOf(1), SCAN);
      const record: PatientFiles = {
        ...{ patient: 'p-000000000001', mask: null, labels: null },
        image: [{ name: basename(path), path, ref }],
      };
      const scans = [{ patient: record.patient, files: await bucket.artifacts.putJson('patient-files', record) }];
      const inferred = await installation.startInfer('private-infer', { package: result.package, scans });
      await installation.whileWorking(inferred.result());
    },
    { timeout: 300_000 },
  );
  after(async () => {
    await installation?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('stands in no workflow: neither in its id, attributes and details, nor in any event of its history', async () => {
    const seen: string[] = [];
    for await (const { workflowId, runId } of installation.client.workflow.list()) {
      const handle = installation.client.workflow.getHandle(workflowId, runId);
      const { events } = await handle.fetchHistory();
      const text = textOf(events) + textOf((await handle.describe()).raw);
      // A control: keys and settings are found in the text, so names would be too.
      assert.match(text, workflowId === 'private' ? /p-[0-9a-f]{12}.*minForegroundPixels/s : /sha256/);
      assert.doesNotMatch(text, NAMES, workflowId);
      seen.push(workflowId);
    }
    assert.deepEqual(seen.sort(), ['private', 'private-broken', 'private-denied', 'private-infer', 'private/encode']);
  });

  it('stands in no log of a worker, however loud', async () => {
    const logs = await installation.logs();
    assert.match(logs, /private-infer/);
    assert.match(logs, /SOURCE_DENIED.*EACCES/);
    assert.doesNotMatch(logs, NAMES);
  });

  it('stands in no key of the store', async () => {
    for await (const { key } of bucket.store.list('')) assert.doesNotMatch(key, NAMES);
  });

  it('stands in the store only where it has to: the source’s description, the lists of files, the files themselves', async () => {
    for await (const { key } of bucket.store.list('cas/')) {
      const text = contentOf((await bucket.store.get(key))!.bytes);
      const isFile = text.slice(344, 347) === 'n+1' && text.slice(148).startsWith(CANARY);
      const isList = text.startsWith('{"image":[{"name":') || text.startsWith('{"dataset":{"patients":');
      if (isFile || isList) mayName.add(key);
      else assert.doesNotMatch(text, NAMES, `${key}: ${text.slice(0, 200)}`);
    }
    // Three descriptions, five lists of files, six whole files and one cut off.
    assert.equal(mayName.size, 15);
  });

  it('stands in no manifest, no record of a run, no split record, no model and no report', async () => {
    for (const prefix of ['memo/', 'runs/', 'models/']) {
      for await (const { key } of bucket.store.list(prefix)) {
        assert.doesNotMatch(contentOf((await bucket.store.get(key))!.bytes), NAMES, key);
      }
    }
    const { split, package: model, report, evaluation, masks } = result;
    for (const ref of [split.record, model, report, evaluation, ...masks.map(({ mask }) => mask)]) {
      assert.ok(!mayName.has(ref.key), ref.kind);
      assert.doesNotMatch(contentOf(await bucket.artifacts.get(ref)), NAMES, ref.kind);
    }
  });
});
