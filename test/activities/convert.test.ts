import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createConvert } from '../../activities/convert.ts';
import type { ActivityDeps, Compute } from '../../activities/deps.ts';
import { tasks } from '../../activities/tasks.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { DICOM_IDENTITY, readDicomFixture } from '../helpers/dicom-fixtures.ts';

const compute: Compute = {
  run: async (name, input) => (tasks[name] as (input: unknown) => never)(input),
};
const PATIENT = 'p-0123456789ab';
/** As scanners name files: by UID, with the date in it. */
const nameOf = (k: number): string => `CT.1.2.840.113619.20210304.4711.${k}.dcm`;

/** Converts a series of files that carry a name, a number and dates, and gives all that was logged. */
async function convert(store: MemoryStore, files: readonly Uint8Array[]) {
  const artifacts = new ArtifactStore(store);
  const image = await Promise.all(
    files.map(async (bytes, k) => ({
      name: nameOf(k),
      path: `Doe^Jane/${nameOf(k)}`,
      ref: await artifacts.put('scan', bytes),
    })),
  );
  const list = await artifacts.putJson('patient-files', { patient: PATIENT, image, mask: null, labels: null });
  const logged: unknown[] = [];
  const logger = new DefaultLogger('TRACE', (entry) => logged.push(entry));
  const environment = new MockActivityEnvironment({}, { logger });
  const deps = { artifacts, compute } as unknown as ActivityDeps;
  const stage = createConvert(deps);
  const run: ReturnType<typeof stage> = environment.run(stage, { patient: PATIENT, files: list });
  return { run, logged };
}

const text = (value: unknown): string => inspect(value, { depth: null, maxStringLength: null });

describe('the stage convert', () => {
  it('lets nothing of a DICOM patient into its result, its manifest, the volume or a log', async () => {
    const store = new MemoryStore();
    const { run, logged } = await convert(store, [readDicomFixture('enhanced.dcm').bytes]);
    const result = await run;
    assert.deepEqual([result.patient, result.shape], [PATIENT, [12, 10, 3]]);
    assert.doesNotMatch(text([result, logged]), DICOM_IDENTITY);
    let seen = 0;
    for await (const { key } of store.list('')) {
      const content = Buffer.from((await store.get(key))!.bytes).toString('latin1');
      // The files as they came, and the list of them, may name people.
      if (content.includes('DICM') || content.startsWith('{"image":[{"name":')) continue;
      assert.doesNotMatch(key + content, DICOM_IDENTITY);
      seen += 1;
    }
    assert.equal(seen, 2, 'a manifest and a volume');
  });

  it('lets nothing of a DICOM patient into a failure', async () => {
    const { bytes } = readDicomFixture('explicit-u12.dcm');
    const cut = bytes.slice(0, -20);
    for (const [files, code] of [
      [[bytes, bytes], 'DICOM_DUPLICATE_SLICE'],
      [[cut], 'DICOM_PIXELS_TRUNCATED'],
      [[bytes.slice(0, 400)], 'DICOM_FORMAT'],
    ] as const) {
      const { run, logged } = await convert(new MemoryStore(), files);
      const failure = await run.then(
        () => assert.fail('converted'),
        (error: unknown) => error,
      );
      assert.ok(failure instanceof ApplicationFailure);
      assert.deepEqual([failure.type, failure.nonRetryable], [code, true]);
      assert.match(failure.message, /^file \d of \d, by name: found /);
      assert.doesNotMatch(text([failure, failure.details, logged]), DICOM_IDENTITY);
    }
  });
});
