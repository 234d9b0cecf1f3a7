import { ChildWorkflowCancellationType, startChild, workflowInfo } from '@temporalio/workflow';
import { WORKFLOWS } from '../contracts/messages.ts';
import type { PreparedPatient, PrepareWorkflowInput, PrepareWorkflowResult } from '../contracts/pipeline.ts';
import { againFrom } from './again.ts';
import { type Board, openBoard } from './board.ts';
import { type Control, openGate } from './control.ts';
import type { Lineage, Outcome } from './lineage.ts';
import { mapBounded } from './map-bounded.ts';
import { convert, PATIENTS_AT_ONCE, PATIENTS_IN_A_CHILD, slice } from './options.ts';
import { withFailureSurfaced } from './surface-failure.ts';

const STAGES = ['convert', 'slice'] as const;
/** Hears of a patient's result. */
type Note = (stage: (typeof STAGES)[number], at: number, outcome: Outcome) => void;
type Wanted = Pick<PrepareWorkflowInput, 'patients' | 'slices' | 'fresh'>;

/** Convert and slice for some of a run's patients, where there are more than one history has room for. */
export async function prepareWorkflow(input: PrepareWorkflowInput): Promise<PrepareWorkflowResult> {
  const board = openBoard('prepare', STAGES);
  const control = openGate(input.paused);
  for (const stage of STAGES) {
    const { done, reused, workSeconds } = input.before[stage];
    board.begin(stage, input.total);
    board.add(stage, done, reused, workSeconds);
  }
  const patients = await withFailureSurfaced(board, () => prepareEach(input, board, control));
  return { patients, counted: { convert: board.tally('convert'), slice: board.tally('slice') } };
}

/** Convert and slice, each patient by itself: one may be sliced while another is still converted. */
export async function preparePatients(
  wanted: Wanted,
  board: Board,
  lineage: Lineage,
  control: Control,
): Promise<PreparedPatient[]> {
  const total = wanted.patients.length;
  for (const stage of STAGES) board.begin(stage, total);
  const isMany = total > PATIENTS_IN_A_CHILD;
  const ended = { convert: new Map<number, Outcome>(), slice: new Map<number, Outcome>() };
  const note: Note = (stage, at, outcome) => void ended[stage].set(at, outcome);
  const work = isMany ? inChildren(wanted, board, control) : prepareEach(wanted, board, control, note);
  const prepared = await work.catch((error: unknown) => {
    // Those that had ended are accounted for, in the patients' order.
    for (const stage of STAGES)
      lineage.use(...[...ended[stage]].sort(([a], [b]) => a - b).map(([, outcome]) => outcome));
    throw error;
  });
  for (const { volume } of prepared) lineage.add('convert', [volume.volume], volume);
  for (const { slices } of prepared) lineage.add('slice', [slices.slices], slices);
  return prepared;
}

function prepareEach(
  { patients, slices, fresh }: Wanted,
  board: Board,
  control: Pick<Control, 'gate'>,
  note: Note = () => undefined,
): Promise<PreparedPatient[]> {
  const again = againFrom(fresh);
  return mapBounded(patients, PATIENTS_AT_ONCE, async ({ patient, files, split }, at) => {
    await control.gate();
    const volume = await board.unit(
      'convert',
      convert.executeWithOptions({ summary: patient }, [{ patient, files, ...again('convert') }]),
    );
    note('convert', at, volume);
    await control.gate();
    const sliced = await board.unit(
      'slice',
      slice.executeWithOptions({ summary: patient }, [{ patient, volume: volume.volume, slices, ...again('slice') }]),
    );
    note('slice', at, sliced);
    return { patient, split, volume, slices: sliced };
  });
}

/** One child after another, each with its own history. */
async function inChildren({ patients, ...how }: Wanted, board: Board, control: Control): Promise<PreparedPatient[]> {
  const prepared: PreparedPatient[] = [];
  for (let from = 0; from < patients.length; from += PATIENTS_IN_A_CHILD) {
    const workflowId = `${workflowInfo().workflowId}/prepare-${from / PATIENTS_IN_A_CHILD + 1}`;
    const before = { convert: board.tally('convert'), slice: board.tally('slice') };
    const some = patients.slice(from, from + PATIENTS_IN_A_CHILD);
    board.child(workflowId);
    await control.gate();
    const child = await startChild<typeof prepareWorkflow>(WORKFLOWS.prepare, {
      workflowId,
      args: [{ patients: some, ...how, before, total: patients.length }],
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      staticSummary: `patients ${from + 1} to ${from + some.length} of ${patients.length}`,
    });
    const { patients: done, counted } = await control.following(child);
    for (const stage of STAGES) {
      const { done, reused, workSeconds } = counted[stage];
      board.add(
        stage,
        done - before[stage].done,
        reused - before[stage].reused,
        workSeconds - before[stage].workSeconds,
      );
    }
    prepared.push(...done);
  }
  board.child(null);
  return prepared;
}
