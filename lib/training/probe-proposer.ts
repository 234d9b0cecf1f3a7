import type { SessionOptions } from '../runtime/session.ts';
import { ShareMaps } from './proposer.ts';
import type { BoxMode } from './proposer-boxes.ts';
import type { ModelGeometry } from './proposer-format.ts';
import { type HeadShape, headParameters, startOfHead } from './proposer-head.ts';
import { chooseRule } from './proposer-quality.ts';
import { measureChannels, type ProposerSlice, targetsOf, trainingFeeds } from './proposer-targets.ts';
import { secondsPerRun } from './seconds-per-run.ts';
import { StepSession } from './step.ts';
import { definitionOf, IMAGES, shareMaps } from './train-proposer.ts';

/** Seconds of a box proposer's training on this machine. */
export interface ProposerSeconds {
  readonly perStep: number;
  /** Of a slice that is looked at: to see how the training stands, and in the end to choose how boxes are made. */
  readonly perLook: number;
  readonly perChoice: number;
  /** Of a slice, before the first step. */
  readonly perSlice: number;
}

export interface ProposerProbe {
  readonly structures: number;
  readonly mode: BoxMode;
  /** Of a slice, in pixels. */
  readonly height: number;
  readonly width: number;
}

/** Measures some steps and looks on made-up slices of the size asked for. Throws RUNTIME_PROVIDER. */
export async function probeProposer(
  geometry: ModelGeometry,
  { structures, mode, ...size }: ProposerProbe,
  options: Omit<SessionOptions, 'fold'>,
): Promise<ProposerSeconds> {
  const shape: HeadShape = { channels: geometry.decoder.hidden_size, grid: geometry.grid, structures };
  const slices = madeUpSlices(shape, size);
  const began = performance.now();
  const targets = await targetsOf(slices, shape, 'train', undefined);
  const measured = await measureChannels(targets, shape, undefined);
  const perSlice = (performance.now() - began) / 1000 / slices.length;
  const definition = definitionOf({ shape, measured });
  const start = startOfHead(headParameters(shape), [0.1], () => 0.5);
  const session = await StepSession.open(definition, { weights: start }, options);
  const maps = await ShareMaps.open(shape, measured, options);
  try {
    const feeds = await trainingFeeds(targets, shape);
    let step = 0;
    const perStep = await secondsPerRun(() => session.step(++step, 1e-3, feeds), TIMING);
    await maps.use(start);
    const perLook = (await secondsPerRun(() => maps.of(targets), TIMING)) / slices.length;
    const found = await maps.of(targets);
    const choose = async (): Promise<void> => {
      const made = await shareMaps(targets, found, 0, shape, mode, undefined);
      await chooseRule(made, mode);
    };
    const perChoice = ((await secondsPerRun(choose, TIMING)) * structures) / slices.length;
    return { perStep, perLook, perChoice, perSlice };
  } finally {
    await session.close();
    await maps.close();
  }
}

const TIMING = { runs: 2, leastSeconds: 0.3, limitSeconds: 5 } as const;

/** With a square of each structure; what they show hardly changes what a step costs. */
function madeUpSlices(
  { channels, grid, structures }: HeadShape,
  { height, width }: Pick<ProposerProbe, 'height' | 'width'>,
): ProposerSlice[] {
  const embedding = new Uint16Array(channels * grid ** 2).map((_, at) => HALF + (at % 512));
  return Array.from({ length: IMAGES }, (_, slice) => {
    const labels = new Uint8Array(height * width);
    const side = Math.floor(Math.min(height, width) / 4);
    for (let y = 0; y < side; y++) labels.fill(1 + (slice % structures), y * width, y * width + side);
    return { embedding, labels, height, width, axis: 'axial' as const, position: slice / IMAGES };
  });
}

/** 0.5 in half precision; the bits below it vary the value. */
const HALF = 0x3800;
