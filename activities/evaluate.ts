import type { PostProcessConfig } from '../contracts/config.ts';
import { EvaluateInput, EvaluateResult, type Evaluation } from '../contracts/stages.ts';
import { isJittered } from '../lib/dataset/prompts.ts';
import { sampleNote } from '../lib/metrics/compare.ts';
import { activity } from './activity.ts';
import { choosePostProcess } from './choose-post-process.ts';
import type { ActivityDeps } from './deps.ts';
import { encodedDigests } from './encoded.ts';
import { modelDigests } from './models.ts';
import { boxSetting, Predictor, storedForm } from './predictor.ts';
import { meanOverlap, type Which } from './scoring.ts';
import type { Sessions } from './sessions.ts';

const VERSION = 5;
const Result = EvaluateResult.omit({ reused: true, seconds: true });
export type EvaluatedPatient = EvaluateInput['test'][number];

/**
 * Scores the model before and after fine-tuning on patients it never saw. Boxes come from the truth, without jitter: what
 * is measured is the mask inside a good box, an upper bound, and it is called so wherever it is shown. Beside it, and never
 * mixed with it, stands what the same boxes give as a hurried reader draws them.
 */
export const createEvaluate = (deps: ActivityDeps, sessions: Sessions) =>
  activity(EvaluateInput, async (input, attempt): Promise<EvaluateResult> => {
    const { artifacts } = deps;
    const { model, weights, test, val, prompts, evaluation, structures } = input;
    const drawn = { ...boxSetting(prompts), jitter: prompts.jitter, jitterPixels: prompts.jitterPixels };
    const keys = (patients: readonly EvaluatedPatient[]) => patients.map(({ patient }) => patient);
    const { value, ...outcome } = await artifacts.memo({
      stage: 'evaluate',
      version: VERSION,
      parameters: {
        ...{ prompts: drawn, evaluation, structures },
        ...{ patients: keys(test), validation: keys(val) },
      },
      inputs: [
        ...modelDigests(model),
        weights.sha256,
        ...[...test, ...val].flatMap((patient) => [...encodedDigests(patient), patient.volume.sha256]),
      ],
      schema: Result,
      signal: attempt.signal,
      by: attempt.by,
      compute: async () => {
        const predictor = new Predictor(deps, sessions, input, attempt);
        try {
          return await evaluate(input, predictor, deps, attempt.signal);
        } finally {
          await predictor.close();
        }
      },
    });
    return { ...value, ...outcome };
  });

async function evaluate(
  input: EvaluateInput,
  predictor: Predictor,
  deps: ActivityDeps,
  signal: AbortSignal,
): Promise<Omit<EvaluateResult, 'reused' | 'seconds'>> {
  const { evaluation: setting, structures } = input;
  const postProcess = await choosePostProcess(input, predictor, deps, signal);
  const patients: Evaluation['patients'] = [];
  for (const patient of input.test) {
    patients.push(await evaluatePatient(patient, input, postProcess.rule, predictor, deps, signal));
  }
  // Each patient counts once, however many slices it has.
  const mean = (of: Which) => meanOverlap(patients.map((patient) => patient[of]));
  const overlaps = { zeroShot: mean('zeroShot'), fineTuned: mean('fineTuned') };
  const drawn = patients.flatMap((patient) => patient.jittered ?? []);
  const drawnMean = (of: Which) => meanOverlap(drawn.map((overlap) => overlap[of]));
  const jittered =
    drawn.length > 0 ? { jittered: { zeroShot: drawnMean('zeroShot'), fineTuned: drawnMean('fineTuned') } } : {};
  const scored = { patients: patients.map((patient) => patient.structures!), structures, setting };
  const summaries = await deps.compute.run('summarise', scored, signal);
  const volumes = { setting, structures, summaries, postProcess, note: sampleNote(patients.length) };
  const evaluation: Evaluation = { prompts: 'oracle', ...overlaps, ...jittered, patients, volumes };
  const stored = await deps.artifacts.putJson('evaluation', evaluation);
  const predictions = patients.map((patient) => patient.predictions);
  return { evaluation: stored, predictions, ...overlaps, ...jittered, summaries, postProcess: postProcess.rule };
}

async function evaluatePatient(
  patient: EvaluatedPatient,
  { evaluation: setting, structures, prompts }: EvaluateInput,
  postProcess: PostProcessConfig | null,
  predictor: Predictor,
  deps: ActivityDeps,
  signal: AbortSignal,
): Promise<Evaluation['patients'][number]> {
  const { boxed, predictions } = await predictor.predict(patient, ['zeroShot', 'fineTuned']);
  const task = { ...(await storedForm(deps, patient, predictions)), structures, setting, postProcess };
  const scores = await deps.compute.run('score', task, signal);
  return {
    patient: patient.patient,
    zeroShot: scores.zeroShot.volume,
    fineTuned: scores.fineTuned.volume,
    ...(isJittered(prompts) && { jittered: await jittered() }),
    structures: scores.structures,
    slices: boxed.map(({ row, axis, index, boxes }) => ({
      ...{ row, axis, index, boxes: boxes.map(({ box }) => box) },
      zeroShot: scores.zeroShot.slices[row]!,
      fineTuned: scores.fineTuned.slices[row]!,
    })),
    predictions,
  };

  async function jittered() {
    const drawn = await predictor.predict(patient, ['zeroShot', 'fineTuned'], setting.seed);
    const stored = await storedForm(deps, patient, drawn.predictions);
    return deps.compute.run('volumeOverlaps', { ...stored, structures }, signal);
  }
}
