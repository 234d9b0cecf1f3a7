import type { z } from 'zod';
import { InferInput, InferResult, ModelPackage } from '../contracts/stages.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';
import { segmentScan } from './segment-scan.ts';
import type { Sessions } from './sessions.ts';

const VERSION = 6;
const Result = InferResult.omit({ reused: true, seconds: true, patient: true });

/** Segments one scan with a packaged model, by boxes that were made without any truth. */
export const createInfer = (deps: ActivityDeps, sessions: Sessions) =>
  activity(InferInput, async (input, attempt): Promise<InferResult> => {
    const { package: ref, patient, volume, probability = false } = input;
    const { artifacts, compute } = deps;
    const { signal, by } = attempt;
    const { value, ...outcome } = await artifacts.memo<z.infer<typeof Result>>({
      stage: 'infer',
      version: VERSION,
      parameters: { probability },
      inputs: [ref.sha256, volume.sha256],
      schema: Result,
      signal,
      by,
      compute: async () => {
        const model = await artifacts.getJson(ref, ModelPackage);
        const { slices, prompts, priors, structures, postProcess, evaluation: setting } = model;
        const planned = { volume: await artifacts.get(volume), slices, prompts, priors };
        const rows = await compute.run('plan', planned, signal);
        const { planes, prompted } = await segmentScan(rows, model, probability, { sessions, artifacts }, attempt);
        const { files, ...facts } = await compute.run(
          'mask',
          { volume: await artifacts.get(volume), planes, structures, setting, postProcess, probability },
          signal,
        );
        const put = (kind: keyof typeof files) => artifacts.put(kind, files[kind]!, 'application/gzip');
        return {
          ...facts,
          postProcess,
          mask: await put('mask'),
          ...(files.probability && { probability: await put('probability') }),
          promptedSlices: prompted,
          // Without a prior the whole image is the prompt.
          prompts: prompts.automatic === 'prior' && priors.length === 0 ? ('image' as const) : prompts.automatic,
          propagated: prompts.propagate,
        };
      },
    });
    return { patient, ...value, ...outcome };
  });
