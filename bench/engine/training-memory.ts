import { readFile } from 'node:fs/promises';
import { baseModel } from '../base-model.ts';
import { openStep, stepFeeds } from './step-session.ts';

/** Makes three training steps of eight boxes, and writes the peak of this process's resident bytes (/proc, Linux only). */
const shape = { images: 8, boxesPerImage: 1 };
const model = baseModel();
const session = await openStep(model, shape);
const feeds = stepFeeds(model, shape);
for (let step = 1; step <= 3; step++) await session.step(step, 1e-4, feeds);
const status = await readFile('/proc/self/status', 'utf8');
await session.close();
console.log(1024 * Number(/^VmHWM:\s+(\d+)/m.exec(status)![1]));
