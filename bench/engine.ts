import type { Device } from '../lib/runtime/session.ts';
import { readSamConfig } from '../lib/sam/config.ts';
import { madeUpModel } from '../lib/sam/made-up-model.ts';
import type { SamModel } from '../lib/sam/model.ts';

import { adamRow } from './engine/adam.ts';
import { type EngineRow, THREADS } from './engine/bench.ts';
import { encodeRow } from './engine/encode.ts';
import { epochsRow } from './engine/epochs.ts';
import { int8Row } from './engine/int8.ts';
import { memoryRow } from './engine/memory.ts';
import { resizeRow } from './engine/resize.ts';
import { boxesRow, stepRow } from './engine/training-step.ts';
import { otherWork } from './other-work.ts';
import { ReferenceProcess } from './reference-process.ts';
import type { BenchRow } from './row.ts';

const ROWS: readonly EngineRow[] = [stepRow, boxesRow, adamRow, encodeRow, int8Row, resizeRow, epochsRow, memoryRow];
export const ENGINE_ROWS: readonly string[] = ROWS.map(({ name }) => name);

/** The engine against PyTorch, Pillow and NumPy, side by side in one run, both on the device; `names` in any order. */
export async function engineRows(
  names: readonly string[],
  device: Device,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const session = { threads: THREADS, device };
  const started = ReferenceProcess.start(session);
  // Each row says why there is no reference.
  const pid = await started.then(
    (reference) => reference.pid,
    () => null,
  );
  let model: SamModel | undefined;
  const measured = new Map<string, BenchRow>();
  const rows: BenchRow[] = [];
  try {
    for (const { name, measure } of ROWS.filter((row) => names.includes(row.name))) {
      const found = await measure({
        reference: (row) => async () => (await started).run(row),
        model: () => {
          // Every default of SamConfig is that of sam-vit-base.
          model ??= madeUpModel(readSamConfig({}));
          return model;
        },
        ...{ session, measured, say, otherWork: otherWork(pid) },
      });
      measured.set(name, found[0]!);
      rows.push(...found);
    }
  } finally {
    await started.then(
      (reference) => reference.close(),
      () => undefined,
    );
  }
  return rows;
}
