import type { BatchShape } from '../../lib/training/mask-graph.ts';
import { BOX_ALONE } from '../../lib/training/prompt-feeds.ts';
import { type Run, secondsOf } from '../side-by-side.ts';
import { compare, type EngineBench, type EngineRow } from './bench.ts';
import { openStep, stepFeeds } from './step-session.ts';

const LEARNING_RATE = 1e-4;

/** Forward, loss, backward and Adam of the mask decoder on a kept embedding, against PyTorch without compilation. */
export const stepRow: EngineRow = {
  name: 'step',
  measure: async (bench) => [
    await withStep(bench, { images: 1, boxesPerImage: 1, prompt: BOX_ALONE }, (ours) =>
      compare(
        {
          what: 'decoder step, 1 box: PyTorch / ours',
          ...{ target: 1.3, stretch: 2, repeats: 15 },
          ...{ reference: bench.reference('step'), ours },
        },
        bench,
      ),
    ),
  ],
};

export const boxesRow: EngineRow = {
  name: 'boxes',
  measure: async (bench) => {
    const boxesPerImage = 4;
    const perBox =
      (run: Run): Run =>
      async () =>
        (await run()) / boxesPerImage;
    const row = await withStep(bench, { images: 1, boxesPerImage, prompt: BOX_ALONE }, (ours) =>
      compare(
        {
          what: 'decoder step, 4 boxes on one image, per box: PyTorch / ours',
          ...{ target: 1.6, stretch: 2.2, repeats: 9 },
          ...{ reference: perBox(bench.reference('boxes')), ours: perBox(ours) },
        },
        bench,
      ),
    );
    return [row];
  },
};

async function withStep<T>(bench: EngineBench, shape: BatchShape, use: (ours: Run) => Promise<T>): Promise<T> {
  const model = bench.model();
  const session = await openStep(model, shape, bench.session);
  const feeds = stepFeeds(model, shape);
  let step = 0;
  try {
    return await use(() => secondsOf(() => session.step(++step, LEARNING_RATE, feeds)));
  } finally {
    await session.close();
  }
}
