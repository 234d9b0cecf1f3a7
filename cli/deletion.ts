import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PatientKey } from '../contracts/artifact.ts';
import { collect, type Doomed, runsIn } from '../lib/artifacts/collect.ts';
import {
  beginDeletion,
  deletionsOf,
  endDeletion,
  leftBy,
  readDeletions,
  type StoredDeletion,
  type Subject,
} from '../lib/artifacts/deletions.ts';
import { artifactRefsIn } from '../lib/artifacts/manifest.ts';
import { type DeletionPlan, NOTHING_TAKEN, planDeletion, within } from '../lib/artifacts/plan-deletion.ts';
import { readContent, type StoreContent } from '../lib/artifacts/store-content.ts';
import { strikePatients } from '../lib/artifacts/strike-patient.ts';
import { type PatientTrace, tracePatient } from '../lib/artifacts/trace-patient.ts';
import { patientKey } from '../lib/dataset/patient-key.ts';
import { shardDigests } from '../lib/dataset/shards.ts';
import { clientIdentity } from './client-identity.ts';
import { inUse, patientAtWork, patientUnknown, requireEnded } from './deletion-faults.ts';
import type { Platform } from './dev/platform.ts';
import { deleteExecutions, type Execution, executionsOf } from './executions.ts';
import { unknownRun } from './find-run.ts';
import { type OpenWork, openWork, readEndedWork, readOpenWork } from './open-work.ts';
import { patientSecret } from './patient-secret.ts';
import type { Session } from './session.ts';

/** What would go, and how. */
export interface PlannedDeletion {
  readonly subject: Subject;
  readonly plan: DeletionPlan;
  /** Where the patient was found; null where runs alone are deleted. */
  readonly trace: PatientTrace | null;
  /** Histories that go. */
  readonly executions: readonly Execution[];
  /** The same that was begun before. */
  readonly earlier: readonly StoredDeletion[];
  readonly content: StoreContent;
}

/** Folds and fan-outs go with the run that has started them. */
const rootOf = (run: string): string => run.split('/', 1)[0]!;

/** @throws Fault RUN_UNKNOWN, RUN_AT_WORK, RUN_IN_USE, GC_UNSURE */
export async function planRunDeletion(
  run: string,
  isWithModels: boolean,
  platform: Platform,
): Promise<PlannedDeletion> {
  const { store } = platform;
  const root = rootOf(run);
  const executions = await executionsOf(root, platform);
  requireEnded(executions);
  // Before the store: what ends in between is in one of the two.
  const roots = await openWork(platform);
  const content = await readContent(store);
  if (run !== root && content.runs.some(({ id }) => id === root)) throw inUse(run, root, `Delete ${root}`);
  const subject = { runs: [root], patient: null };
  const earlier = deletionsOf(await readDeletions(store), subject);
  const isOwn = within([root]);
  const isThere = content.runs.some(({ id }) => isOwn(id)) || executions.length > 0;
  const hasMade = content.manifests.some(({ manifest }) => isOwn(manifest?.made?.run));
  if (!isThere && !hasMade && earlier.length === 0) throw unknownRun(run);
  requireUnused(content, [root], isWithModels);
  const wish = {
    runs: [root],
    histories: await historiesOf(executions, platform),
    taken: NOTHING_TAKEN,
    pending: leftBy(earlier).released,
  };
  const plan = await planDeletion(store, content, wish, roots);
  return { subject, plan, trace: null, executions, earlier, content };
}

export interface PatientDeletionOptions {
  /** Those that have learned from the patient go too. */
  readonly withRuns: boolean;
  readonly withModels: boolean;
}

/** @throws Fault PATIENT_UNKNOWN, PATIENT_AT_WORK, PATIENT_KEY_SECRET, RUN_AT_WORK, RUN_IN_USE, GC_UNSURE */
export async function planPatientDeletion(
  id: string,
  { withRuns, withModels }: PatientDeletionOptions,
  { platform, stateDir }: Session,
): Promise<PlannedDeletion> {
  const { store } = platform;
  const secret = await patientSecret(platform, stateDir, process.env);
  const patient = PatientKey.safeParse(id).data ?? patientKey(secret, id);
  const open = await readOpenWork(platform);
  const roots = open.flatMap(({ values }) => values);
  const earlier = deletionsOf(await readDeletions(store), { runs: [], patient });
  const content = await readContent(store);
  const keyOf = (other: string): PatientKey => patientKey(secret, other);
  const left = leftBy(earlier);
  const trace = await tracePatient(store, content, { patient, keyOf, shardDigests, roots, pending: left.taken });
  const { taken, learned, tested } = trace;
  const isThere = taken.artifacts.size + taken.results.size + learned.length + tested.length > 0;
  if (!isThere && earlier.length === 0) throw patientUnknown(patient);
  const holder = open.find((work) => holds(work, trace));
  if (holder) throw patientAtWork(patient, holder);
  const runs = withRuns ? [...new Set([...learned.map(rootOf), ...left.runs])].sort() : [];
  requireUnused(content, runs, withModels);
  const executions = (await Promise.all(runs.map((run) => executionsOf(run, platform)))).flat();
  requireEnded(executions);
  const wish = { runs, histories: await historiesOf(executions, platform), taken, pending: left.released };
  const plan = await planDeletion(store, content, wish, roots);
  return { subject: { runs, patient }, plan, trace, executions, earlier, content };
}

export interface Deleted {
  readonly gone: readonly Doomed[];
  /** False where Temporal was still deleting histories after a while. */
  readonly isForgotten: boolean;
}

/**
 * Deletes what was planned. Killed at any point, the same command goes on and ends the same: a record in the store says what is
 * still to go. @throws Fault PATIENT_AT_WORK where work that began meanwhile holds the patient's data
 */
export async function carryOut(
  { subject, plan, trace, executions, earlier, content }: PlannedDeletion,
  { platform, stateDir, signal }: Session,
): Promise<Deleted> {
  const { store } = platform;
  const isTaken = (key: string): boolean => trace?.taken.artifacts.has(key) ?? false;
  const artifacts = plan.doomed.flatMap(({ key }) => (key.startsWith('cas/') ? [key] : []));
  const pending = { taken: artifacts.filter(isTaken), released: artifacts.filter((key) => !isTaken(key)) };
  const bytes = plan.doomed.reduce((sum, item) => sum + item.bytes, 0);
  const size = { objects: plan.doomed.length, bytes };
  const record = await beginDeletion(store, { ...subject, by: clientIdentity(), ...size, pending });
  const rest = content.runs.filter(({ id }) => !plan.runs.includes(id));
  if (trace) await strikePatients(store, rest, trace.patients);
  const gone = await collect(store, plan, () => openWork(platform), { signal });
  const isForgotten = await deleteExecutions(executions, platform);
  await removeFiles(subject, trace, stateDir);
  if (trace && gone.length < plan.doomed.length) throw patientAtWork(trace.patients[0]!, null);
  for (const begun of [...earlier, record]) if (begun.value.state === 'begun') await endDeletion(store, begun);
  return { gone, isForgotten };
}

/** What `status` and `run` have fetched to this machine: reports show slices, masks are the patient's. */
async function removeFiles({ runs }: Subject, trace: PatientTrace | null, stateDir: string): Promise<void> {
  const shown = trace ? [...trace.learned, ...trace.tested].map(rootOf) : [];
  for (const run of new Set([...runs, ...shown])) {
    await rm(join(stateDir, 'runs', run), { recursive: true, force: true });
  }
}

async function historiesOf(executions: readonly Execution[], platform: Platform): Promise<unknown[]> {
  const values: unknown[] = [];
  for (const execution of executions) values.push(...(await readEndedWork(platform, execution)));
  return values;
}

/** Whether an open workflow or a schedule has to do with the patient. */
function holds({ values }: OpenWork, { patients, taken }: PatientTrace): boolean {
  return (
    artifactRefsIn(values).some(({ key }) => taken.artifacts.has(key)) || values.some((value) => names(value, patients))
  );
}

function names(value: unknown, patients: readonly string[]): boolean {
  if (typeof value === 'string') return patients.includes(value);
  return typeof value === 'object' && value !== null && Object.values(value).some((member) => names(member, patients));
}

/** @throws Fault RUN_IN_USE */
function requireUnused({ others }: StoreContent, runs: readonly string[], isWithModels: boolean): void {
  const isOwn = within(runs);
  for (const { object, value } of others) {
    const run = runsIn(value).find(isOwn);
    const isModel = object.key.startsWith('models/');
    if (run === undefined || (isModel && isWithModels)) continue;
    throw inUse(run, object.key, isModel ? 'Give --models to delete the model too' : 'Delete that object first');
  }
}
