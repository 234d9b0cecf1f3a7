import { Context } from '@temporalio/activity';
import { ChosenSlices, RunConfig } from '../../contracts/config.ts';
import type { CrossValidationInput } from '../../contracts/cross-validation.ts';
import { foldWorkflowId, MESSAGES, WORKFLOWS } from '../../contracts/messages.ts';
import type { EncodeWorkflowInput, PrepareWorkflowInput } from '../../contracts/pipeline.ts';
import type { FineTuneInput } from '../../contracts/stages.ts';
import { testEnv } from '../helpers/dev-servers.ts';
import { openDoubled } from '../helpers/doubled-activities.ts';
import { smallRun } from '../helpers/installation.ts';
import { noOpStages, patientAt, refOf } from '../helpers/no-op-stages.ts';
import { until } from '../helpers/until.ts';
import { openHistories } from './save.ts';

/**
 * Records what only very large runs start, and a cross-validation that people ask for everything that there is to ask, with few
 * patients and stages that do nothing:
 *   node --import tsx test/histories/record-children.ts
 */
const keys = [1, 2, 3].map(patientAt);
const { stages, model } = noOpStages({ patients: keys.length, slices: 5, embeddingShape: [1, 1, 1] });
const none = { done: 0, reused: 0, workSeconds: 0 };
const prepare: PrepareWorkflowInput = {
  patients: keys.map((patient) => ({ patient, files: refOf('patient-files', patient), split: null })),
  slices: ChosenSlices.parse({}),
  before: { convert: none, slice: none },
  total: keys.length,
};
const encode: EncodeWorkflowInput = {
  ...{ model, shardSlices: 2, width: 2, indexed: true },
  patients: keys.map((patient) => ({ patient, slices: refOf('slices', patient), count: 5 })),
};

const { split, model: checkpoint, device, slices, prompts, training, evaluation } = RunConfig.parse(smallRun('asked'));
const asked: CrossValidationInput = {
  ...{ name: 'asked', target: 'lungs', spec: refOf('dataset-spec'), structures: [{ name: 'lungs', label: null }] },
  settings: { split: { ...split, folds: 2 }, model: checkpoint, device, slices, prompts, training, evaluation },
};
/** Trainings that have begun; they last until they are told to stop or to go on for longer. */
let tunings = 0;
const held = {
  ...stages,
  async fineTune(input: FineTuneInput) {
    tunings += 1;
    const { heartbeat, sleep, cancellationSignal } = Context.current();
    while (!input.stop && input.until === undefined) {
      heartbeat();
      cancellationSignal.throwIfAborted();
      await sleep(20);
    }
    return stages.fineTune(input);
  },
  pool: async () => {
    const scores = { dice: 0.5, iou: 0.4 };
    const metrics = { zeroShot: scores, fineTuned: scores };
    return { crossValidation: refOf('cross-validation'), report: refOf('report'), metrics, summaries: [] };
  },
};

const temporal = await openDoubled('../../workflows/index.ts', held);
try {
  const save = await openHistories(temporal.address, testEnv());
  for (const [name, workflow, input] of [
    ['prepare', WORKFLOWS.prepare, prepare],
    ['encode-indexed', WORKFLOWS.encode, encode],
  ] as const) {
    const run = await temporal.start(workflow, input);
    await run.result();
    await save(name, run.workflowId);
  }
  const run = await temporal.start(WORKFLOWS.crossValidate, asked);
  const ask = (message: string, ...args: [] | [number]) => run.executeUpdate(message, { args: args as [number] });
  await until(() => tunings === 1);
  await ask(MESSAGES.pause);
  await ask(MESSAGES.resume);
  await until(() => tunings === 2);
  await ask(MESSAGES.stop);
  await ask(MESSAGES.extend, training.epochs + 1);
  await run.result();
  await save('cross-validate-asked', run.workflowId);
  await save('fold-asked', foldWorkflowId(run.workflowId, 0));
} finally {
  await temporal.close();
}
