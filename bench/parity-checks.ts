import { input, reshape, type Value } from '../lib/graph/index.ts';
import type { SessionOptions } from '../lib/runtime/session.ts';
import { float32, type Tensor } from '../lib/runtime/tensor.ts';
import { decode, type MaskChoice } from '../lib/sam/mask-decoder.ts';
import { flatLayout, flatSize, frozenParameters } from '../lib/sam/parameters.ts';
import { visionEncoder } from '../lib/sam/vision-encoder.ts';
import { diceCrossEntropy, meanOf } from '../lib/training/losses.ts';
import { openSession } from '../lib/training/open-session.ts';
import { packFlat, StepSession, stepGraph, unpackFlat } from '../lib/training/step.ts';
import { type Expectation, type Plain, type Reference, type ReferenceRun, readReference } from './parity-reference.ts';

/** One compared quantity: its worst difference, and the most that is allowed. */
export interface ParityRow {
  readonly output: string;
  readonly difference: number;
  readonly tolerance: number;
}

/** Tolerances that hold for every reference set (golden README); outputs and losses have theirs in the set. */
const TOLERANCE = { gradient: 1e-3, weights: 1e-3, keyBias: 1e-2 } as const;

/** A reference set, and the embeddings to feed the decoder with. */
interface Setting extends Reference {
  readonly embeddings: Plain;
  readonly session: SessionOptions;
}

/** Compares every output, gradient, loss and final weight that a reference folder holds. */
export async function checkParity(folder: string, session: SessionOptions = { threads: 2 }): Promise<ParityRow[]> {
  const reference = await readReference(folder);
  const ours = await encode(reference, session);
  const setting = { ...reference, embeddings: reference.embeddings ?? ours, session };
  return [
    outputRow('image_embeddings', ours.values, reference),
    ...(await decoderRows(setting)),
    ...(await gradientRows(setting)),
    ...(await trajectoryRows(setting)),
  ];
}

async function compute(
  outputs: Record<string, Value>,
  feeds: Record<string, Tensor>,
  options: SessionOptions,
): Promise<Record<string, Float32Array>> {
  const session = await openSession(outputs, options);
  try {
    const results = await session.run(feeds);
    return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]));
  } finally {
    await session.close();
  }
}

const feed = ({ values, shape }: Plain): Tensor => float32(values, shape);
const placeholder = (name: string, { shape }: Plain): Value => input(name, 'float32', shape);

async function encode({ model, pixels }: Reference, session: SessionOptions): Promise<Plain> {
  const embeddings = visionEncoder(frozenParameters(model.tensors), model.config, placeholder('pixels', pixels));
  const results = await compute({ embeddings }, { pixels: feed(pixels) }, session);
  return { shape: embeddings.shape, values: results.embeddings! };
}

async function decoderRows(setting: Setting): Promise<ParityRow[]> {
  const { model, outputs, embeddings, session } = setting;
  const cases = [...outputs.keys()]
    .filter((name) => name.endsWith('.single.pred_masks'))
    .map((name) => name.split('.')[0]!);
  const rows: ParityRow[] = [];
  for (const name of cases) {
    const { values, feeds } = promptInputs(name, setting);
    for (const choice of ['single', 'multi'] satisfies MaskChoice[]) {
      const parameters = frozenParameters(model.tensors);
      const { masks, iou } = decode(parameters, model.config, placeholder('embeddings', embeddings), values, choice);
      const results = await compute(
        { pred_masks: masks, iou_scores: iou },
        { ...feeds, embeddings: feed(embeddings) },
        session,
      );
      rows.push(outputRow(`${name}.${choice}.pred_masks`, results.pred_masks!, setting));
      rows.push(outputRow(`${name}.${choice}.iou_scores`, results.iou_scores!, setting));
    }
  }
  return rows;
}

/** The prompts stored for a case, as graph inputs and as their values. */
function promptInputs(name: string, { prompts }: Reference) {
  const values: Record<string, Value> = {};
  const feeds: Record<string, Tensor> = {};
  for (const kind of ['points', 'labels', 'boxes', 'masks']) {
    const prompt = prompts.get(`${name}.input_${kind}`);
    if (!prompt) continue;
    values[kind] = placeholder(kind, prompt);
    feeds[kind] = feed(prompt);
  }
  return { values, feeds };
}

/** Training as the reference did it: decoder trained, DiceCE on the single mask of case `box`, all images a batch. */
function trainingSetup({ model, prompts, embeddings, target }: Setting) {
  // The loss does not see the IoU head, so PyTorch's optimisers never touch it.
  const trained = [...model.shapes].filter(
    ([name]) => name.startsWith('mask_decoder.') && !name.includes('iou_prediction_head'),
  );
  const boxes = prompts.get('box.input_boxes')!;
  const frozen = frozenParameters(model.tensors);
  return {
    layout: flatLayout(trained),
    frozen,
    feeds: { embeddings: feed(embeddings), boxes: feed(boxes), target: feed(target) },
    build: (parameters: typeof frozen) => {
      const values = placeholder('embeddings', embeddings);
      const { masks } = decode(parameters, model.config, values, { boxes: placeholder('boxes', boxes) }, 'single');
      return { loss: meanOf(diceCrossEntropy)(reshape(masks, target.shape), placeholder('target', target)) };
    },
  };
}

async function gradientRows(setting: Setting): Promise<ParityRow[]> {
  const { model, gradients, session } = setting;
  if (!gradients) return [];
  const { layout, feeds, build, frozen } = trainingSetup(setting);
  const results = await compute(
    stepGraph({ layout, frozen, build }),
    { ...feeds, weights: float32(packFlat(layout, model.tensors), [flatSize(layout)]) },
    session,
  );
  const ours = unpackFlat(layout, results.gradient!);
  const all = norm(results.gradient!);
  // |difference| <= 1e-3 |g| + 1e-6 |all gradients|, as a ratio to the right-hand side's first factor.
  const worst = layout.map(({ name }) => {
    const theirs = gradients.get(name)!;
    return norm(subtract(ours.get(name)!, theirs)) / (norm(theirs) + 1e-3 * all);
  });
  return [
    {
      output: `gradients at step 0 (${layout.length} tensors)`,
      difference: Math.max(...worst),
      tolerance: TOLERANCE.gradient,
    },
  ];
}

async function trajectoryRows(setting: Setting): Promise<ParityRow[]> {
  const { model, runs, learningRate, session: options } = setting;
  const { layout, feeds, build, frozen } = trainingSetup(setting);
  const rows: ParityRow[] = [];
  for (const run of runs) {
    const { name, optimiser, losses } = run;
    const weights = packFlat(layout, model.tensors);
    const session = await StepSession.open({ layout, frozen, build, optimiser }, { weights }, options);
    let difference = 0;
    for (const [i, loss] of losses.entries()) {
      const figures = await session.step(i + 1, learningRate, feeds);
      difference = Math.max(difference, Math.abs(figures.loss! - loss));
    }
    rows.push({ output: `${name}: losses of ${losses.length} steps`, difference, tolerance: setting.tolerance.loss });
    rows.push(...finalWeightRows(run, unpackFlat(layout, await session.weights())));
    await session.close();
  }
  return rows;
}

/** Keys' biases have a gradient of rounding noise alone, which Adam scales up: they have a tolerance of their own. */
function finalWeightRows(run: ReferenceRun, weights: Map<string, Float32Array>): ParityRow[] {
  if (!run.final) return [];
  const worst = { weights: 0, keyBias: 0 };
  for (const [name, ours] of weights) {
    const theirs = run.final.get(name)!;
    const kind = name.endsWith('k_proj.bias') ? 'keyBias' : 'weights';
    worst[kind] = Math.max(worst[kind], norm(subtract(ours, theirs)) / norm(theirs));
  }
  return [
    { output: `${run.name}: final weights`, difference: worst.weights, tolerance: TOLERANCE.weights },
    { output: `${run.name}: final k_proj.bias`, difference: worst.keyBias, tolerance: TOLERANCE.keyBias },
  ];
}

function outputRow(name: string, ours: Float32Array, { outputs, tolerance }: Reference): ParityRow {
  const expectation = outputs.get(name)!;
  const worst = subtract(pick(ours, expectation), expectation.values).reduce((top, x) => Math.max(top, Math.abs(x)), 0);
  // A single value has no spread: it is compared with its own size.
  const scale = expectation.deviation || Math.max(...expectation.values.map(Math.abs));
  return { output: name, difference: worst / scale, tolerance: tolerance.output };
}

const pick = (values: Float32Array, { indices }: Expectation): Float32Array =>
  indices ? Float32Array.from(indices, (index) => values[index]!) : values;

const subtract = (a: Float32Array, b: Float32Array) => Float64Array.from(a, (x, i) => x - b[i]!);
const norm = (x: Float32Array | Float64Array) => {
  let total = 0;
  for (const value of x) total += value ** 2;
  return Math.sqrt(total);
};
