import type { EvaluateInput, PostProcessChoice } from '../contracts/stages.ts';
import { chooseMildest } from '../lib/metrics/choose.ts';
import { meanOf } from '../lib/metrics/statistics.ts';
import { POST_PROCESSES } from '../lib/volume/clean-mask.ts';
import type { ActivityDeps } from './deps.ts';
import { type Predictor, storedForm } from './predictor.ts';

/**
 * What is done to the fine-tuned model's masks: as configured, or by what helps on the validation patients. Test patients have
 * no part in it. Costs one pass of the decoder over the validation slices, as much as one epoch's validation.
 */
export async function choosePostProcess(
  { val, evaluation, structures }: EvaluateInput,
  predictor: Predictor,
  deps: ActivityDeps,
  signal: AbortSignal,
): Promise<PostProcessChoice> {
  const none = { patients: [], tried: [] };
  const asked = evaluation.postProcess;
  if (asked === 'none') return { rule: null, by: 'configuration', ...none };
  if (asked !== 'auto') return { rule: asked, by: 'configuration', ...none };
  if (val.length === 0) return { rule: null, by: 'nothing', ...none };
  const byPatient: number[][] = [];
  for (const patient of val) {
    const { predictions } = await predictor.predict(patient, ['fineTuned']);
    const task = { ...(await storedForm(deps, patient, predictions)), structures, rules: POST_PROCESSES };
    byPatient.push(await deps.compute.run('cleanedDices', task, signal));
  }
  const dices = POST_PROCESSES.map((_, rule) => byPatient.map((patient) => patient[rule]!));
  const chosen = chooseMildest(dices);
  return {
    rule: chosen === 0 ? null : { ...POST_PROCESSES[chosen]! },
    by: 'validation',
    patients: val.map(({ patient }) => patient),
    tried: POST_PROCESSES.map((rule, at) => ({ rule: { ...rule }, dice: meanOf(dices[at]!) })),
  };
}
