import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { defaultPayloadConverter, WorkflowNotFoundError } from '@temporalio/common';
import { auditOfDeletion } from '../../cli/audit.ts';
import { deleteCommand } from '../../cli/commands/delete.ts';
import { carryOut, type PlannedDeletion, planPatientDeletion, planRunDeletion } from '../../cli/deletion.ts';
import { deletionJson, renderDeletion } from '../../cli/deletion-text.ts';
import { tally } from '../../cli/gc-text.ts';
import { patientSecret } from '../../cli/patient-secret.ts';
import type { Session } from '../../cli/session.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { readDeletions } from '../../lib/artifacts/deletions.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { assertRejectsWithFault } from '../helpers/faults.ts';
import { findText, keysOf } from '../helpers/store-text.ts';
import { keyOf, SECRET, type StoredPatient, storedRun } from '../helpers/stored-run.ts';

/** A workflow as the server has it: whether it is open, and what it was given. */
interface Workflow {
  readonly id: string;
  readonly open?: boolean;
  readonly input?: unknown;
}

const PATIENTS: readonly StoredPatient[] = [
  { id: 'quackenbush', part: 'train' },
  { id: 'bob', part: 'val' },
  { id: 'eve', part: 'test' },
];

/** A Temporal server with these workflows and schedules, which forgets what it is told to. */
function clientOf(workflows: Workflow[], schedules: readonly { id: string; input: unknown }[]) {
  const payloads = (value: unknown) => ({ payloads: [defaultPayloadConverter.toPayload(value)] });
  const find = (id: string): Workflow => {
    const found = workflows.find((workflow) => workflow.id === id);
    if (!found) throw new WorkflowNotFoundError('gone', id, undefined);
    return found;
  };
  const infoOf = ({ id, open }: Workflow) => ({
    ...{ workflowId: id, runId: `${id}.1`, raw: {} },
    status: { name: open ? 'RUNNING' : 'COMPLETED' },
  });
  async function* list({ query }: { query: string }) {
    const [, id] = /^WorkflowId = '(.*?)' OR/.exec(query) ?? [];
    const isAsked = (workflow: Workflow): boolean =>
      id === undefined ? workflow.open === true : workflow.id === id || workflow.id.startsWith(`${id}/`);
    yield* workflows.filter(isAsked).map(infoOf);
  }
  async function* all<T>(items: readonly T[]) {
    yield* items;
  }
  const notFound = Object.assign(new Error('not found'), { code: 5 });
  return {
    options: { loadedDataConverter: { payloadCodecs: [], payloadConverter: defaultPayloadConverter } },
    workflow: {
      list,
      getHandle: (id: string) => ({
        describe: async () => infoOf(find(id)),
        fetchHistory: async () => ({
          events: [{ workflowExecutionStartedEventAttributes: { input: payloads(find(id).input ?? {}) } }],
        }),
      }),
    },
    schedule: {
      list: () => all(schedules.map(({ id }) => ({ scheduleId: id }))),
      getHandle: (id: string) => ({
        describe: async () => ({ action: { args: [schedules.find((schedule) => schedule.id === id)?.input] } }),
      }),
    },
    workflowService: {
      async deleteWorkflowExecution({
        workflowExecution: { workflowId },
      }: {
        workflowExecution: { workflowId: string };
      }) {
        const at = workflows.findIndex(({ id }) => id === workflowId);
        if (at < 0) throw notFound;
        workflows.splice(at, 1);
      },
      async describeWorkflowExecution({ execution: { workflowId } }: { execution: { workflowId: string } }) {
        if (!workflows.some(({ id }) => id === workflowId)) throw notFound;
      },
    },
  };
}

describe('delete', () => {
  let store: MemoryStore;
  let stateDir: string;
  let workflows: Workflow[];
  let schedules: { id: string; input: unknown }[];
  let session: Session;
  beforeEach(async () => {
    store = new MemoryStore();
    stateDir = await mkdtemp(join(tmpdir(), 'samflow-delete-'));
    [workflows, schedules] = [[], []];
    process.env.SAMFLOW_PATIENT_KEY = SECRET;
    const client = clientOf(workflows, schedules);
    const platform = { store, artifacts: new ArtifactStore(store), client, namespace: 'default', embedded: true };
    session = { platform, stateDir, signal: new AbortController().signal } as unknown as Session;
  });
  afterEach(async () => {
    delete process.env.SAMFLOW_PATIENT_KEY;
    await rm(stateDir, { recursive: true, force: true });
  });

  const stored = async (id: string, patients = PATIENTS, listed = false) => {
    const run = await storedRun(id, { patients, listed }, store);
    workflows.push({ id, input: run.lineage.input }, { id: `${id}/encode` });
    return run;
  };
  const run = (id: string, withModels = false): Promise<PlannedDeletion> =>
    planRunDeletion(id, withModels, session.platform);
  const patient = (
    id: string,
    how: Partial<{ withRuns: boolean; withModels: boolean }> = {},
  ): Promise<PlannedDeletion> => planPatientDeletion(id, { withRuns: false, withModels: false, ...how }, session);
  const said = (deletion: PlannedDeletion, isDeleted = false): string =>
    stripVTControlCharacters(renderDeletion(deletion, tally(deletion.plan.doomed), isDeleted));
  const champion = (of: string, ref: unknown): Promise<unknown> =>
    store.put('models/lungs/champion.json', Buffer.from(JSON.stringify({ run: of, package: ref, seen: {} })));

  it('of a run leaves nothing but the record of who had it deleted, and says so when it is asked again', async () => {
    await stored('gone');
    await mkdir(join(stateDir, 'runs/gone'), { recursive: true });
    await writeFile(join(stateDir, 'runs/gone/report.html'), 'pictures');
    const planned = await run('gone');
    assert.match(
      said(planned),
      /Nothing was deleted: add --yes for that\.\nAnd 2 histories of Temporal would go with it\./,
    );
    const { gone } = await carryOut(planned, session);
    assert.equal(gone.length, planned.plan.doomed.length);
    assert.deepEqual([workflows, await readdir(join(stateDir, 'runs'))], [[], []]);
    const [record, ...more] = await readDeletions(store);
    assert.deepEqual([await keysOf(store), more], [[record!.key], []]);
    const { runs, state, pending, by, objects } = record!.value;
    assert.deepEqual([runs, state, objects], [['gone'], 'done', gone.length]);
    assert.deepEqual(pending, { taken: [], released: [] });
    assert.match(by, /^samflow:/);
    assert.match(said(await run('gone'), true), /^gone\nNothing is left in the store\.$/);
  });

  it('goes on where it was interrupted', async () => {
    await stored('gone');
    const planned = await run('gone');
    const deleteMany = store.deleteMany.bind(store);
    store.deleteMany = async (keys) => {
      if (keys.some((key) => key.startsWith('cas/'))) throw new Error('killed');
      await deleteMany(keys);
    };
    await assert.rejects(carryOut(planned, session), /killed/);
    store.deleteMany = deleteMany;
    await carryOut(await run('gone'), session);
    const records = await readDeletions(store);
    assert.deepEqual(
      await keysOf(store),
      records.map(({ key }) => key),
    );
    assert.deepEqual(
      records.map(({ value }) => value.state),
      ['done', 'done'],
    );
  });

  it('is refused for a run at work, for a fold, for one that is not there, and for what is no id', async () => {
    await stored('open');
    workflows.push({ id: 'open/fold-1', open: true });
    await assertRejectsWithFault(run('open'), 'RUN_AT_WORK', /^open\/fold-1: .*`samflow cancel open`/);
    await stored('cv');
    await assertRejectsWithFault(
      run('cv/fold-1'),
      'RUN_IN_USE',
      /^cv\/fold-1: found a run that cv refers to.*Delete cv\./,
    );
    await assertRejectsWithFault(run('nobody'), 'RUN_UNKNOWN');
    await assertRejectsWithFault(run("x' OR WorkflowId != '"), 'RUN_UNKNOWN');
  });

  it('takes a retraining with the run that it started, whose id has the time in it', async () => {
    const id = 'retrain-lungs-2026-01-01T00:00:00Z';
    workflows.push({ id });
    await stored(`${id}/pipeline`);
    await carryOut(await run(`${id}/pipeline`), session);
    assert.deepEqual([await keysOf(store, 'runs/'), workflows], [[], []]);
  });

  it('is refused for a run that a model was made by, unless the model goes too', async () => {
    const { package: model } = await stored('best');
    await champion('best', model);
    await assertRejectsWithFault(run('best'), 'RUN_IN_USE', /models\/lungs\/champion\.json refers to.*--models/);
    const planned = await run('best', true);
    assert.match(said(planned), /Models that go: models\/lungs\/champion\.json\./);
    await carryOut(planned, session);
    assert.deepEqual(await keysOf(store, 'models/'), []);
  });

  it('finds what a run left that failed by what Temporal holds of it', async () => {
    const failed = await stored('failed');
    for (const key of [...(await keysOf(store, 'runs/')), ...(await keysOf(store, 'memo/'))]) store.delete(key);
    await carryOut(await run('failed'), session);
    assert.equal(await store.head(failed.lineage.input.spec.key), null);
  });

  it('of a patient says what goes, and plainly what cannot', async () => {
    const { package: model } = await stored('learned');
    await champion('learned', model);
    await stored('tested', [PATIENTS[1]!, PATIENTS[2]!, { id: 'quackenbush', part: 'test' }]);
    const planned = await patient('quackenbush');
    const text = said(planned);
    assert.ok(text.startsWith(`${keyOf('quackenbush')}\n`));
    assert.match(text, /Weights cannot forget\. These runs have learned from the patient: learned\./);
    assert.match(text, /models stay, among them models\/lungs\/champion\.json; --runs deletes them too\./);
    assert.match(text, /tested on the patient; their scores and reports go: tested\./);
    assert.match(text, /comes back with the next run: take it out there first\.$/);
    assert.doesNotMatch(text + JSON.stringify(deletionJson(planned, [], false)), /quackenbush/);
    await carryOut(planned, session);
    assert.deepEqual(await findText(store, /quackenbush/), []);
    assert.equal(workflows.length, 4);
    const [record] = await readDeletions(store);
    assert.deepEqual([record!.value.patient, record!.value.runs], [keyOf('quackenbush'), []]);
    assert.deepEqual((await patient(keyOf('quackenbush'))).plan.doomed, []);
  });

  it('of a patient deletes the runs that have learned from it, and their histories and models, where it is told to', async () => {
    const { package: model } = await stored('learned');
    await champion('learned', model);
    await assertRejectsWithFault(patient('quackenbush', { withRuns: true }), 'RUN_IN_USE', /--models/);
    await carryOut(await patient('quackenbush', { withRuns: true, withModels: true }), session);
    assert.deepEqual([await keysOf(store, 'runs/'), await keysOf(store, 'models/'), workflows], [[], [], []]);
    assert.deepEqual(await findText(store, /quackenbush|weights|tuned/), []);
  });

  it('of a patient and its runs goes on where it was interrupted, to the last history', async () => {
    await stored('learned');
    const how = { withRuns: true };
    const planned = await patient('quackenbush', how);
    const deleteMany = store.deleteMany.bind(store);
    store.deleteMany = async (keys) => {
      if (keys.some((key) => key.startsWith('cas/'))) throw new Error('killed');
      await deleteMany(keys);
    };
    await assert.rejects(carryOut(planned, session), /killed/);
    store.deleteMany = deleteMany;
    assert.deepEqual([await keysOf(store, 'runs/'), workflows.length], [[], 2]);
    await carryOut(await patient('quackenbush', how), session);
    assert.deepEqual([await keysOf(store, 'cas/'), workflows], [[], []]);
  });

  it('of a patient is refused while work on the patient is open, and where a schedule lists the id', async () => {
    const { lineage } = await stored('listed', PATIENTS, true);
    workflows.push({ id: 'open', open: true, input: { patients: [{ patient: keyOf('quackenbush') }] } });
    await assertRejectsWithFault(
      patient('quackenbush'),
      'PATIENT_AT_WORK',
      /workflow open at work.*`samflow cancel open`/,
    );
    workflows.pop();
    schedules.push({ id: 'retrain-lungs', input: lineage.input });
    await assertRejectsWithFault(patient('quackenbush'), 'PATIENT_AT_WORK', /`samflow schedule delete lungs`/);
  });

  it('of a patient is not done while work that began meanwhile holds the data', async () => {
    const { lineage } = await stored('learned');
    const planned = await patient('quackenbush');
    const slices = planned.plan.doomed.find(({ kind }) => kind === 'slices')!;
    const sha256 = slices.key.replace('cas/sha256/', '');
    const ref = { kind: 'slices', key: slices.key, sha256, bytes: slices.bytes };
    workflows.push({ id: 'new', open: true, input: { ...lineage.input, slices: ref } });
    await assertRejectsWithFault(carryOut(planned, session), 'PATIENT_AT_WORK', /has begun meanwhile/);
    workflows.pop();
    assert.equal((await readDeletions(store))[0]!.value.state, 'begun');
    await carryOut(await patient('quackenbush'), session);
    assert.deepEqual(await findText(store, /quackenbush/), []);
  });

  it('of a patient of whom nothing is there is refused, and under another key', async () => {
    await stored('learned');
    await assertRejectsWithFault(patient('nobody'), 'PATIENT_UNKNOWN', /SAMFLOW_PATIENT_KEY/);
    process.env.SAMFLOW_PATIENT_KEY = 'another key of the patients';
    await assertRejectsWithFault(patient('quackenbush'), 'PATIENT_UNKNOWN');
    const configured = { ...session.platform, embedded: false };
    await assertRejectsWithFault(patientSecret(configured, stateDir, {}), 'PATIENT_KEY_SECRET');
  });

  it('stands in the audit, by run or pseudonym', () => {
    const deletion = { time: '2026-01-01T00:00:00.000Z', by: 'samflow:ann@desk', runs: ['a'], patient: null };
    const line = auditOfDeletion({
      ...deletion,
      state: 'done',
      objects: 2,
      bytes: 3,
      pending: { taken: [], released: [] },
    });
    assert.deepEqual(line, {
      ...{ time: deletion.time, runs: ['a'], patient: null, state: 'done', objects: 2, bytes: 3 },
      ...{ action: 'delete', identity: 'samflow:ann@desk' },
    });
    const gc = { ...deletion, runs: [], state: 'done' as const, objects: 2, bytes: 3 };
    assert.equal(auditOfDeletion({ ...gc, pending: { taken: [], released: [] } }).action, 'gc');
  });

  it('asks for a run or a patient', async () => {
    for (const call of [
      () => deleteCommand(undefined, {}),
      () => deleteCommand('run', { patient: 'x' }),
      () => deleteCommand('run', { runs: true }),
    ]) {
      await assertRejectsWithFault(call(), 'USAGE');
    }
  });
});
