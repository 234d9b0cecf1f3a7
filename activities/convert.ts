import { ConvertInput, ConvertResult, PatientFiles } from '../contracts/stages.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';

const VERSION = 4;
const Result = ConvertResult.omit({ reused: true, seconds: true, patient: true });

/** One patient's scan and mask onto the canonical grid. The result depends on the files' content, not on whose they are. */
export const createConvert = ({ artifacts, compute }: ActivityDeps) =>
  activity(ConvertInput, async ({ patient, files }, { signal }): Promise<ConvertResult> => {
    const { image, mask, labels } = await artifacts.getJson(files, PatientFiles);
    const { value, reused, seconds } = await artifacts.memo({
      stage: 'convert',
      version: VERSION,
      // No names: they decide nothing, and manifests are read by people whom patients' names do not concern.
      parameters: { files: image.length, masked: mask !== null, labels },
      inputs: [...image, ...(mask ? [mask] : [])].map(({ ref }) => ref.sha256),
      schema: Result,
      signal,
      compute: async () => {
        const read = async ({ name, ref }: PatientFiles['image'][number]) => ({
          name,
          bytes: await artifacts.get(ref),
        });
        const scan = { image: await Promise.all(image.map(read)), mask: mask && (await read(mask)), labels };
        const { bytes, ...facts } = await compute.run('convert', scan, signal);
        return { ...facts, volume: await artifacts.put('volume', bytes) };
      },
    });
    return { patient, ...value, reused, seconds };
  });
