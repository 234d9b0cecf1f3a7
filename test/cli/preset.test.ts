import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { prepareRun } from '../../cli/config/prepare.ts';
import { checkConfig } from '../../cli/config/read-config.ts';
import { EvaluationConfig, PromptsConfig, SlicesConfig, TrainingConfig } from '../../contracts/config.ts';

const PLAIN = `
name: lungs
source: { kind: phantom }
dataset:
  target: lungs
  pattern: { image: 'IMG_{patient}.nii.gz', mask: 'MASK_{patient}.nii.gz' }
`;
const read = (text: string, settings: string[] = []) => checkConfig(PLAIN + text, 'run.yaml', settings);
const presetFile = (name: string): unknown =>
  parse(readFileSync(new URL(`../../presets/${name}.yaml`, import.meta.url), 'utf8'));

describe('preset: default', () => {
  it('says key by key what a configuration without a preset does', () => {
    const { preset, ...settings } = read('preset: default');
    const { preset: none, ...without } = read('');
    assert.deepEqual([preset, none], ['default', undefined]);
    assert.deepEqual(settings, without);
  });

  it('has every key of slices, prompts, training and evaluation that has a default, except the seeds', () => {
    const { seed, ...training } = TrainingConfig.parse({});
    const { seed: other, ...evaluation } = EvaluationConfig.parse({});
    const defaults = { slices: SlicesConfig.parse({}), prompts: PromptsConfig.parse({}), training, evaluation };
    assert.deepEqual(presetFile('default'), defaults);
    assert.ok(Number.isInteger(seed) && Number.isInteger(other));
  });

  it('gives the run the id that it has without one, so that it is the same run', async () => {
    const [named, plain] = await Promise.all([prepareRun(read('preset: default')), prepareRun(read(''))]);
    assert.equal(named.run, plain.run);
  });
});

describe('preset: seed', () => {
  it('is Adam at 1e-5, one box a step, 100 epochs to the end, DiceCE, one box for all of the mask, the wide window', () => {
    const { slices, prompts, training } = read('preset: seed');
    const { optimiser, learningRate, batchBoxes, boxesPerImage, accumulate, epochs, patience, loss } = training;
    assert.deepEqual([optimiser, learningRate, batchBoxes, boxesPerImage, accumulate], ['adam', 1e-5, 1, 1, 1]);
    assert.deepEqual([epochs, patience, loss, training.train], [100, 0, 'dice-ce', 'decoder']);
    assert.deepEqual([training.weightDecay, training.warmupSteps, training.schedule], [0, 0, 'constant']);
    assert.deepEqual([prompts.box, prompts.jitterPixels, slices.window], ['label', 40, 'seed']);
  });

  it('can be chosen on the command line', () => {
    assert.deepEqual(read('', ['preset=seed']), read('preset: seed'));
  });

  it('leaves what it does not name at the default', () => {
    const { training, slices } = read('preset: seed');
    const plain = read('');
    assert.equal(training.seed, plain.training.seed);
    assert.equal(slices.minForegroundPixels, plain.slices.minForegroundPixels);
  });
});

describe('a key that the user wrote', () => {
  it('goes before that of the preset, in the file and on the command line', () => {
    const { training } = read('preset: seed\ntraining: { epochs: 3, loss: tversky }', ['training.optimiser=adamw']);
    assert.deepEqual([training.epochs, training.loss, training.optimiser], [3, 'tversky', 'adamw']);
    assert.equal(training.learningRate, 1e-5);
  });

  it('goes before it as a whole: a window is not made of two halves', () => {
    const { slices } = read('preset: seed\nslices: { window: { widthHu: 400, levelHu: 40 } }');
    assert.deepEqual(slices.window, { widthHu: 400, levelHu: 40 });
  });

  it('is named in the refusal, with what the user wrote', () => {
    assert.throws(
      () => read('preset: seed\ntraining: { epochs: -1 }'),
      /^Fault: training\.epochs: found `-1`, expected at least 1\./,
    );
    assert.throws(
      () => read('preset: seed\ntraining: { epoch: 3 }'),
      /^Fault: training\.epoch: found a key that samflow/,
    );
    assert.throws(
      () => read('preset: seed\ntraining: 3'),
      /^Fault: training: found `3`, expected a section\. Correct `training`\. \[CONFIG\]$/,
    );
  });
});

it('an unknown preset is refused by name, with the choices', () => {
  const message = 'preset: found `sead` (text), expected one of default, seed. Did you mean `seed`? [CONFIG]';
  assert.throws(() => read('preset: sead'), { message });
  assert.throws(() => read('preset: 3'), /^Fault: preset: found `3`, expected one of default, seed\./);
});
