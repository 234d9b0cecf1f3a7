import { readFile } from 'node:fs/promises';
import { readSamConfig } from '../../lib/sam/config.ts';
import { madeUpModel } from '../../lib/sam/made-up-model.ts';
import { imagesPerPass } from '../../lib/training/passes.ts';
import { BOX_ALONE } from '../../lib/training/prompt-feeds.ts';
import { THREADS } from './bench.ts';
import { openStep, stepFeeds } from './step-session.ts';

/** Makes three training steps of eight boxes, in the passes of a run, and writes the peak of this process's resident bytes (/proc, Linux only). */
// A run loads no encoder for work on kept embeddings.
const model = madeUpModel(readSamConfig({}), 'decoder');
const batch = { batchBoxes: 8, boxesPerImage: 1, boxesPerPass: 'auto' } as const;
const shape = { images: imagesPerPass(8, batch, model.config, 'embeddings'), boxesPerImage: 1, prompt: BOX_ALONE };
const passes = 8 / shape.images;
const session = await openStep(model, shape, { threads: THREADS }, passes);
const feeds = stepFeeds(model, shape);
for (let step = 1; step <= 3; step++) {
  for (let pass = 1; pass <= passes; pass++) await session.step(step, 1e-4, feeds, pass === passes ? passes : 0);
}
const status = await readFile('/proc/self/status', 'utf8');
await session.close();
console.log(1024 * Number(/^VmHWM:\s+(\d+)/m.exec(status)![1]));
