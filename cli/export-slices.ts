import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PipelineResult } from '../contracts/pipeline.ts';
import type { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import { sliceFiles } from '../lib/dataset/slice-files.ts';
import { decodeSlices } from '../lib/dataset/slices-record.ts';
import { decodeVolume } from '../lib/dataset/volume-record.ts';

const PARTS = ['train', 'val', 'test'] as const;

/**
 * The slices of a run as NIfTI files, in `train`, `val` and `test` with `images` and `masks` in each. Patients go by their
 * keys; the same run gives the same bytes. Returns how many slices each part has.
 */
export async function exportSlices(
  { split, patients }: Pick<PipelineResult, 'split' | 'patients'>,
  artifacts: ArtifactStore,
  folder: string,
): Promise<Record<(typeof PARTS)[number], number>> {
  const counts = { train: 0, val: 0, test: 0 };
  for (const part of PARTS) {
    for (const kind of ['images', 'masks']) await mkdir(join(folder, part, kind), { recursive: true });
    for (const { patient, volume, slices } of patients.filter(({ patient }) => split[part].includes(patient))) {
      const cut = sliceFiles(decodeVolume(await artifacts.get(volume)), decodeSlices(await artifacts.get(slices)));
      for (const { axis, index, image, mask } of cut) {
        const name = `${patient}_${axis}_${String(index).padStart(4, '0')}.nii.gz`;
        await writeFile(join(folder, part, 'images', name), image);
        if (mask) await writeFile(join(folder, part, 'masks', name), mask);
        counts[part] += 1;
      }
    }
  }
  return counts;
}
