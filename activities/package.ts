import { type ModelPackage, PackageInput, PackageResult } from '../contracts/stages.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';

const VERSION = 3;
const Result = PackageResult.pick({ package: true });

/** Gathers all that inference needs into one artifact: model, weights, window, prompts and where the target is to be expected. */
export const createPackage = ({ artifacts, compute }: ActivityDeps) =>
  activity(PackageInput, async ({ train, ...input }, { signal, by }): Promise<PackageResult> => {
    const { value, ...outcome } = await artifacts.memo({
      stage: 'package',
      version: VERSION,
      parameters: input,
      inputs: train.map(({ slices }) => slices.sha256),
      schema: Result,
      signal,
      by,
      compute: async () => {
        const slices = await Promise.all(train.map(({ slices }) => artifacts.get(slices)));
        const priors = await compute.run('priors', { slices }, signal);
        return { package: await artifacts.putJson('model-package', { ...input, priors } satisfies ModelPackage) };
      },
    });
    return { ...value, ...outcome };
  });
