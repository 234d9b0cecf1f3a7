import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Triple } from '../../lib/metrics/grid.ts';
import type { SurfaceDefinition } from '../../lib/metrics/surface.ts';
import { hausdorffMm, surfaceDice, surfaceDistances } from '../../lib/metrics/surface-distance.ts';
import { compare } from '../engine/bench.ts';
import { secondsOf } from '../side-by-side.ts';
import type { DataBench, DataRow } from './bench.ts';
import { madeUpCt } from './made-up-ct.ts';

const SHAPE: Triple = [512, 512, 300];
const SPACING_MM: Triple = [0.75, 0.75, 1];
const TOLERANCE_MM = 2;

/** HD95 and NSD between voxels at the edge: what SciPy does as MONAI and MedPy ask it. */
export const edgesRow: DataRow = { name: 'edges', measure: (bench) => surfaceRow(bench, 'edges', 'voxel-edge') };
/** The same between pieces of surface: as DeepMind's surface-distance asks it. */
export const surfelsRow: DataRow = { name: 'surfels', measure: (bench) => surfaceRow(bench, 'surfels', 'sub-voxel') };

/** Both lungs of a large scan against themselves a little to the side, as a poor model finds them. */
async function surfaceRow(bench: DataBench, name: string, definition: SurfaceDefinition) {
  const { mask: truth } = madeUpCt([...SHAPE]);
  const shift = 3 + 2 * SHAPE[0];
  const prediction = new Uint8Array(truth.length);
  prediction.set(truth.subarray(0, -shift), shift);
  const folder = await mkdtemp(join(tmpdir(), 'samflow-bench-'));
  try {
    const files = { truth: join(folder, 'truth'), prediction: join(folder, 'prediction') };
    await writeFile(files.truth, truth);
    await writeFile(files.prediction, prediction);
    const args = { ...files, shape: SHAPE, spacing: SPACING_MM, tolerance: TOLERANCE_MM };
    const ours = async () => {
      const distances = surfaceDistances(prediction, truth, { shape: SHAPE, spacingMm: SPACING_MM }, definition)!;
      return [hausdorffMm(distances, 0.95), surfaceDice(distances, TOLERANCE_MM)];
    };
    return await compare(
      {
        what: `HD95 and NSD of ${SHAPE.join(' x ')} masks (${definition}): SciPy / ours`,
        ...{ target: 0.5, stretch: 1, repeats: 3 },
        ...{ reference: bench.reference(name, args), ours: () => secondsOf(ours) },
      },
      bench,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
