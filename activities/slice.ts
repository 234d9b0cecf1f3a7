import { SliceInput, SliceResult } from '../contracts/stages.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';

const VERSION = 3;
const Result = SliceResult.omit({ reused: true, seconds: true, patient: true });

/** One patient's volume into the slices that hold the target, as grey pictures by the intensity window. */
export const createSlice = ({ artifacts, compute }: ActivityDeps) =>
  activity(SliceInput, async ({ patient, volume, slices: setting }, { signal }): Promise<SliceResult> => {
    const { value, reused, seconds } = await artifacts.memo({
      stage: 'slice',
      version: VERSION,
      parameters: setting,
      inputs: [volume.sha256],
      schema: Result,
      signal,
      compute: async () => {
        const { bytes, ...facts } = await compute.run(
          'slice',
          { volume: await artifacts.get(volume), setting },
          signal,
        );
        return { ...facts, slices: await artifacts.put('slices', bytes) };
      },
    });
    return { patient, ...value, reused, seconds };
  });
