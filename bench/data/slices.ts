import { readFile, rm, writeFile } from 'node:fs/promises';
import { tasks } from '../../activities/tasks.ts';
import { ChosenSlices } from '../../contracts/config.ts';
import { NAMED_WINDOWS } from '../../lib/volume/intensity.ts';
import { compare } from '../engine/bench.ts';
import { secondsOf } from '../side-by-side.ts';
import type { DataRow } from './bench.ts';
import { withMadeUpCt } from './made-up-ct.ts';

const SLICES = 100;
const WINDOW = 'soft-tissue';
const SETTING = ChosenSlices.parse({ window: WINDOW });

/** From a scan's file to windowed slices on the disk: as the artifact of the stage `slice`, and as a PNG for each. */
export const slicesRow: DataRow = {
  name: 'slices',
  measure: (bench) =>
    withMadeUpCt([512, 512, SLICES], async ({ ct }) => {
      const { lowHu, highHu } = NAMED_WINDOWS[WINDOW];
      const row = await compare(
        {
          what: `a CT of ${SLICES} slices, .nii.gz to windowed slices: nibabel, NumPy and Pillow / ours`,
          ...{ target: 2.5, stretch: 4, repeats: 5 },
          ...{ reference: bench.reference('slices', { ct, low_hu: lowHu, high_hu: highHu }), ours: () => cut(ct) },
        },
        bench,
      );
      const rate = (seconds: number | undefined) => (seconds ? Math.round(SLICES / seconds) : '?');
      const { reference, ours } = row.sides!;
      return { ...row, note: `${rate(reference?.median)} and ${rate(ours?.median)} slices a second\n${row.note}` };
    }),
};

async function cut(ct: string): Promise<number> {
  const artifact = `${ct}.slices`;
  const seconds = await secondsOf(async () => {
    const image = [{ name: 'ct.nii.gz', bytes: await readFile(ct) }];
    const { bytes: volume } = await tasks.convert({ image, mask: null, labels: null });
    await writeFile(artifact, tasks.slice({ volume, setting: SETTING }).bytes);
  });
  await rm(artifact);
  return seconds;
}
