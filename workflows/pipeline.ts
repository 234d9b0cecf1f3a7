import { ChildWorkflowCancellationType, setHandler, startChild, workflowInfo } from '@temporalio/workflow';
import type { RunLineage } from '../contracts/lineage.ts';
import { encodeWorkflowId, WORKFLOWS } from '../contracts/messages.ts';
import type { PipelineInput, PipelineResult, PreparedPatient } from '../contracts/pipeline.ts';
import { STAGES } from '../contracts/queues.ts';
import type { DownloadResult, EncodeResult, ModelRef, SplitResult } from '../contracts/stages.ts';
import { withAccount } from './account.ts';
import { againFrom } from './again.ts';
import { type Board, openBoard } from './board.ts';
import { type Control, openControl } from './control.ts';
import type { encodeWorkflow } from './encode.ts';
import { type Lineage, openLineage } from './lineage.ts';
import { mapBounded, together } from './map-bounded.ts';
import { fitting } from './message-limit.ts';
import { fineTuneProgressSignal } from './messages.ts';
import {
  download,
  evaluate,
  importModel,
  infer,
  PATIENTS_AT_ONCE,
  packageModel,
  recordRun,
  report,
  SHARDS_AT_ONCE,
  slice,
  split,
  trainProposer,
} from './options.ts';
import { preparePatients } from './prepare.ts';
import { announce } from './search-attributes.ts';
import { SHARDS_IN_PLACE, shardSlices, shardsOf } from './shards.ts';
import { withFailureSurfaced } from './surface-failure.ts';

/**
 * The main job: scans and masks in; a fine-tuned model, scores on patients it never saw, their masks and a report out.
 * Every step's result lies in the store under the hash of what made it, so a run that is started again goes on where the
 * last one stopped, and one whose data or settings changed does only what depends on them.
 */
export async function pipelineWorkflow(input: PipelineInput): Promise<PipelineResult> {
  const board = openBoard(`${input.name}: ${input.target}`, STAGES);
  announce({ ...input, model: input.settings.model.checkpoint });
  setHandler(fineTuneProgressSignal, board.note);
  const control = openControl(input.settings.training.epochs, board, input.extendedTo);
  const lineage = openLineage();
  return withFailureSurfaced(board, () => withAccount(input, lineage, () => pipeline(input, board, control, lineage)));
}

async function pipeline(
  input: PipelineInput,
  board: Board,
  control: Control,
  lineage: Lineage,
): Promise<PipelineResult> {
  const { name, target, structures, settings, branch } = input;
  const { slices, prompts, training, evaluation } = settings;
  const run = workflowInfo().workflowId;
  const again = againFrom(input.fresh);

  const { downloaded, model } = await fetchInputs(input, board, lineage);
  const whole = await preparePatients(
    {
      patients: downloaded.patients,
      slices: { ...slices, everyNth: 1, negatives: 0 },
      ...(input.fresh && { fresh: input.fresh }),
    },
    board,
    lineage,
    control,
  );
  await control.gate();
  const groups = await divide(whole, settings.split, again, board, lineage);
  const patients = await chooseSlices(whole, groups, slices, again, lineage);
  // Embeddings that the training would change are not kept; the test patients' are what the start is scored on.
  const { train } = training;
  const keepsEmbeddings = train !== 'everything' && typeof train !== 'object';
  const kept = patients.filter(({ patient }) => keepsEmbeddings || groups.test.includes(patient));
  const encoded = await encode(model, kept, again, board, lineage, control);

  const volumes = new Map(patients.map(({ patient, volume }) => [patient, volume.volume]));
  const byKey = new Map(encoded.patients.map((patient) => [patient.patient, patient]));
  const slicesOf = new Map(patients.map(({ patient, slices }) => [patient, slices.slices]));
  const pick = (keys: readonly string[]) =>
    keys.map((key) => byKey.get(key) ?? { patient: key, slices: present(slicesOf, key), shards: [] });
  const scanned = (keys: readonly string[]) =>
    pick(keys).map((patient) => ({ ...patient, volume: present(volumes, patient.patient) }));
  const test = scanned(groups.test);

  const learning = { model, train: pick(groups.train), val: pick(groups.val), prompts, ...again('fine-tune') };
  const hasProposer = prompts.automatic === 'proposer';
  board.begin('fine-tune', hasProposer ? 2 : 1);
  const wanted = fitting('fine-tune', { ...learning, training, ...(branch && { branch }) });
  const tuned = await board.unit('fine-tune', control.fineTune(wanted));
  lineage.add('fine-tune', [tuned.weights], tuned);
  const { weights } = tuned;
  const proposed = hasProposer
    ? await board.unit('fine-tune', trainProposer({ ...learning, structures: structures.length, seed: training.seed }))
    : null;
  if (proposed) lineage.add('fine-tune', [proposed.proposer], proposed);

  await control.gate();
  board.begin('evaluate', 1);
  const evaluated = await board.unit(
    'evaluate',
    evaluate(
      fitting('evaluate', {
        ...{ model, weights, test, prompts, evaluation, structures, ...again('evaluate') },
        // Post-processing is chosen on them, and nothing else. (A run of an older version has no such settings.)
        ...((evaluation?.postProcess ?? 'auto') === 'auto' && { val: scanned(groups.val) }),
      }),
    ),
  );
  lineage.add('evaluate', [evaluated.evaluation], evaluated);
  const metrics = { zeroShot: evaluated.zeroShot, fineTuned: evaluated.fineTuned };
  board.measured(metrics);

  await control.gate();
  board.begin('infer', test.length + 1);
  const packaged = await board.unit(
    'infer',
    packageModel({
      ...{ name, target, structures, model, weights, metrics, slices, prompts, evaluation, ...again('infer') },
      postProcess: evaluated.postProcess ?? null,
      proposer: proposed?.proposer ?? null,
      train: pick(groups.train).map(({ patient, slices }) => ({ patient, slices })),
      learnedFrom: [...groups.train, ...groups.val],
      heldOut: groups.test,
      fingerprint: downloaded.fingerprint,
    }),
  );
  lineage.add('package', [packaged.package], packaged);
  const masks = await mapBounded(test, PATIENTS_AT_ONCE, async ({ patient, volume }) => {
    await control.gate();
    return board.unit('infer', infer({ package: packaged.package, patient, volume, ...again('infer') }));
  });
  for (const mask of masks) lineage.add('infer', [mask.mask], mask);

  await control.gate();
  board.begin('report', 1);
  const reported = await board.unit(
    'report',
    report(
      fitting('report', {
        ...{ title: name, run, target, split: groups, bestEpoch: tuned.bestEpoch, infer: masks, weights },
        ...again('report'),
        // A name of the hub moves; what the report says must not.
        settings: {
          ...settings,
          model: { ...settings.model, checkpoint: model.origin ?? settings.model.checkpoint },
          training: { ...training, ...control.asked() },
        },
        evaluation: evaluated.evaluation,
        curves: tuned.curves,
        test: test.map(({ patient, slices }) => ({ patient, slices })),
        lineage: lineage.entries,
      }),
    ),
  );

  lineage.use(reported);

  const asked = control.asked();
  const result: PipelineResult = {
    ...{ run, name, target, structures, metrics, split: groups, test, model, weights, masks },
    ...(evaluated.summaries && { summaries: evaluated.summaries }),
    ...(evaluated.jittered && { jittered: evaluated.jittered }),
    ...(Object.keys(asked).length > 0 && { asked }),
    patients: patients.map(({ patient, volume, slices }) => ({
      patient,
      volume: volume.volume,
      slices: slices.slices,
    })),
    stages: board.summaries(),
    fingerprint: downloaded.fingerprint,
    package: packaged.package,
    evaluation: evaluated.evaluation,
    curves: tuned.curves,
    report: reported.report,
    repairs: patients.flatMap(({ patient, volume }) => volume.repairs.map((repair) => `${patient}: ${repair}`)),
  };
  const account = { input, uses: lineage.uses } satisfies RunLineage;
  await recordRun(fitting('result', { run, result, lineage: account }));
  return result;
}

async function fetchInputs(
  { spec, settings, fresh }: PipelineInput,
  board: Board,
  lineage: Lineage,
): Promise<{ downloaded: DownloadResult; model: ModelRef }> {
  board.begin('download', 2);
  const again = againFrom(fresh)('download');
  const [downloaded, imported] = await together(
    () => board.unit('download', download({ spec, ...again })),
    () => board.unit('download', importModel({ ...settings.model, device: settings.device, ...again })),
  );
  const files = downloaded.patients.map(({ files }) => files);
  lineage.add('download', files, downloaded);
  // Absent in results of older versions.
  if (downloaded.licence) lineage.add('download', [downloaded.licence], { seconds: 0 });
  lineage.add('download', [imported.model.weights], imported);
  return { downloaded, model: imported.model };
}

/** Whoever is scored keeps every slice with the target; training may do with fewer, and have some without it. */
async function chooseSlices(
  patients: readonly PreparedPatient[],
  { train, val }: SplitResult,
  setting: PipelineInput['settings']['slices'],
  again: ReturnType<typeof againFrom>,
  lineage: Lineage,
): Promise<PreparedPatient[]> {
  // Absent in runs of older versions.
  const { everyNth = 1, negatives = 0 } = setting;
  const thins = everyNth > 1 || negatives > 0;
  return mapBounded(patients, PATIENTS_AT_ONCE, async (prepared) => {
    const { patient, volume } = prepared;
    if (!thins || !(train.includes(patient) || (negatives > 0 && val.includes(patient)))) return prepared;
    const slices = val.includes(patient) ? { ...setting, everyNth: 1 } : setting;
    const chosen = await slice.executeWithOptions({ summary: patient }, [
      { patient, volume: volume.volume, slices, ...again('slice') },
    ]);
    lineage.add('slice', [chosen.slices], chosen);
    return { ...prepared, slices: chosen };
  });
}

async function divide(
  patients: readonly PreparedPatient[],
  how: PipelineInput['settings']['split'],
  again: ReturnType<typeof againFrom>,
  board: Board,
  lineage: Lineage,
): Promise<SplitResult> {
  board.begin('split', 1);
  const groups = await board.unit(
    'split',
    split(
      fitting('split', {
        patients: patients.map(({ patient, split, volume, slices }) => ({
          ...{ patient, split },
          ...{ digest: volume.voxels, labels: volume.labelsPresent },
          slices: slices.slices,
        })),
        split: how,
        ...again('split'),
      }),
    ),
  );
  lineage.add('split', [groups.record], groups);
  return groups;
}

/** A child workflow encodes, shard by shard: see encode.ts. */
async function encode(
  model: ModelRef,
  patients: readonly PreparedPatient[],
  again: ReturnType<typeof againFrom>,
  board: Board,
  lineage: Lineage,
  control: Control,
): Promise<EncodeResult> {
  const workflowId = encodeWorkflowId(workflowInfo().workflowId);
  const input = {
    model,
    patients: patients.map(({ patient, slices }) => ({ patient, slices: slices.slices, count: slices.count })),
    shardSlices: shardSlices(model),
  };
  const shards = shardsOf(input).length;
  await control.gate();
  board.begin('encode', shards);
  board.child(workflowId);
  const child = await startChild<typeof encodeWorkflow>(WORKFLOWS.encode, {
    workflowId,
    args: [
      {
        ...{ ...input, ...again('encode'), width: SHARDS_AT_ONCE },
        ...(shards > SHARDS_IN_PLACE && { indexed: true }),
      },
    ],
    cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    staticSummary: `${shards} shards of up to ${input.shardSlices} slices`,
  });
  const encoded = await control.following(child);
  board.child(null);
  board.add('encode', shards, encoded.reused ? shards : 0, encoded.seconds);
  const made = encoded.patients.flatMap(({ shards }) => shards.map(({ embeddings }) => embeddings));
  lineage.add('encode', made, encoded);
  lineage.use(...(encoded.uses ?? []));
  return encoded;
}

function present<T>(map: ReadonlyMap<string, T>, key: string): T {
  const value = map.get(key);
  if (value === undefined) throw new TypeError(`no ${key} among ${map.size}`);
  return value;
}
