import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure } from '@temporalio/common';
import type { Platform } from '../../cli/dev/platform.ts';
import { tellFailure } from '../../cli/follow-run.ts';
import { type RunFailure, readFailure } from '../../cli/run-failure.ts';
import { outcomeJson } from '../../cli/run-outcome.ts';
import type { ArtifactRef } from '../../contracts/artifact.ts';
import type { FailureDetails } from '../../contracts/failure.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';

const artifacts = new ArtifactStore(new MemoryStore());
const platform = { artifacts, uiUrl: 'http://127.0.0.1:1', namespace: 'default' } as Platform;
const PATIENT = 'p-0123456789ab';
const MESSAGE = 'scan.nii.gz: found 3 bytes, expected 348. Copy the file again. [NIFTI_TRUNCATED]';

const read = (cause: Error | undefined): Promise<RunFailure | null> =>
  readFailure(new WorkflowFailedError('Workflow execution failed', cause, 'NON_RETRYABLE_FAILURE'), platform);

const failure = (details: Partial<FailureDetails>): ApplicationFailure =>
  ApplicationFailure.nonRetryable(MESSAGE, 'NIFTI_TRUNCATED', {
    ...{ code: 'NIFTI_TRUNCATED', at: 'scan.nii.gz', found: '3 bytes', expected: '348', fix: 'Copy the file again' },
    ...details,
  });

/** A patient's record in the store, as `download` writes it. */
async function patientFiles(): Promise<ArtifactRef> {
  const stored = async (path: string) => ({
    ...{ name: path.split('/').at(-1)!, path },
    ref: await artifacts.put('scan', new TextEncoder().encode(path)),
  });
  const [image, mask] = [await stored('anna/scan.nii.gz'), await stored('anna/mask.nii.gz')];
  return artifacts.putJson('patient-files', { patient: PATIENT, image: [image], mask, labels: null });
}

describe('why a run ended', () => {
  it('is told with the failure’s code and sentence', async () => {
    assert.deepEqual(await read(failure({})), {
      ...{ status: 'failed', code: 'NIFTI_TRUNCATED', message: MESSAGE },
      file: null,
    });
  });

  it('names the file by its path in the source, which only the store knows', async () => {
    const files = await patientFiles();
    assert.equal((await read(failure({ patient: PATIENT, files })))?.file, 'anna/scan.nii.gz');
    assert.equal((await read(failure({ patient: PATIENT, files, at: 'mask.nii.gz' })))?.file, 'anna/mask.nii.gz');
  });

  it('is told without the path where the store has lost the record', async () => {
    const lost = { ...(await patientFiles()), key: `cas/sha256/${'0'.repeat(64)}`, sha256: '0'.repeat(64) };
    assert.equal((await read(failure({ patient: PATIENT, files: lost })))?.file, null);
  });

  const ENDINGS: [cause: Error | undefined, status: string, code: string][] = [
    [new CancelledFailure('cancelled'), 'cancelled', 'CANCELLED'],
    [new TerminatedFailure('terminated'), 'terminated', 'TERMINATED'],
    [new TimeoutFailure('late', undefined, 'START_TO_CLOSE'), 'timed-out', 'TIMED_OUT'],
    [new Error('something else'), 'failed', 'FAILED'],
    [undefined, 'failed', 'FAILED'],
  ];
  for (const [cause, status, code] of ENDINGS) {
    it(`is \`${status}\` after ${cause?.name ?? 'no cause at all'}`, async () => {
      const found = await read(cause);
      assert.deepEqual([found?.status, found?.code], [status, code]);
    });
  }

  it('is nothing to tell where the error is not the run’s', async () =>
    assert.equal(await readFailure(new Error('network'), platform), null));
});

describe('a failure as it is shown', () => {
  const FAILURE: RunFailure = {
    ...{ status: 'failed', code: 'NIFTI_TRUNCATED', message: MESSAGE },
    file: 'anna/scan.nii.gz',
  };
  const shown = (context: TestContext, told: RunFailure): string => {
    const write = context.mock.method(process.stderr, 'write', () => true);
    tellFailure('run-1', told, platform);
    const text = write.mock.calls.map(({ arguments: [chunk] }) => String(chunk)).join('');
    write.mock.restore();
    return stripVTControlCharacters(text);
  };

  it('has the sentence, the file, what to do and where to look, and no stack trace', (context) =>
    assert.deepEqual(shown(context, FAILURE).trim().split('\n'), [
      `✗ The run failed. ${MESSAGE}`,
      '  File: anna/scan.nii.gz (in the source)',
      '  What is done is kept: start the same command again when this is mended.',
      '  http://127.0.0.1:1/namespaces/default/workflows/run-1',
    ]));

  it('of a run that was cancelled does not speak of mending', (context) => {
    const told: RunFailure = { status: 'cancelled', code: 'CANCELLED', message: 'The run was cancelled.', file: null };
    assert.match(shown(context, told), /^\n✗ The run was cancelled\.\n {2}http\S+\n$/);
  });

  it('has its code in the JSON object, beside the keys of every run', () =>
    assert.deepEqual(JSON.parse(outcomeJson('run-1', { failure: FAILURE })), {
      ...{ run: 'run-1', status: 'failed', stages: [], metrics: null, report: null },
      failure: { code: 'NIFTI_TRUNCATED', message: MESSAGE, file: 'anna/scan.nii.gz' },
    }));
});
