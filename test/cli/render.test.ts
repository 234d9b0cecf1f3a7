import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { clock, renderLive, renderPlain } from '../../cli/watch/render.ts';
import type { Snapshot } from '../../cli/watch/snapshot.ts';

const stage = { done: 0, total: 0, reused: 0, startedAt: null, seconds: null, workSeconds: 0 };
const training = {
  step: 5,
  steps: 20,
  epoch: 1,
  epochs: 4,
  trainLoss: 0.25,
  valDice: null,
  secondsLeft: 61,
  checkpoint: null,
};
const SNAPSHOT: Snapshot = {
  run: 'a',
  status: 'RUNNING',
  stages: [
    { ...stage, name: 'encode', state: 'reused', done: 4, total: 4, reused: 4, seconds: 0.5, workSeconds: 12 },
    { ...stage, name: 'fine-tune', state: 'running', total: 1, startedAt: 1000 },
    { ...stage, name: 'report', state: 'pending' },
  ],
  inner: null,
  metrics: null,
  training,
  notes: ['evaluate: waiting for a worker (6 s)'],
  silentSince: null,
  control: null,
};

describe('the live view', () => {
  it('shows stages with bar, count and seconds, the training, and what is amiss', () => {
    const text = stripVTControlCharacters(renderLive(SNAPSHOT, 3500, 200));
    const bar = (full: number): string => '━'.repeat(full) + '┄'.repeat(24 - full);
    assert.deepEqual(text.split('\n'), [
      `✓ encode     ${bar(24)}     4/4     0.5 s  reused (took 12.0 s)`,
      `▸ fine-tune  ${bar(0)}     0/1     2.5 s`,
      `    ${bar(6)} epoch 1/4  step 5/20  loss 0.2500  1:01 left`,
      '· report    ',
      '! evaluate: waiting for a worker (6 s)',
    ]);
  });

  it('shows of a cross-validation the fold that is at work below the folds, in its own stages', () => {
    const [encode, tuning] = SNAPSHOT.stages;
    const folds = { ...stage, name: 'folds', state: 'running', done: 1, total: 3, startedAt: 1000 } as const;
    const inner = { run: 'a/fold-2', stages: [encode!, tuning!] };
    const text = stripVTControlCharacters(renderLive({ ...SNAPSHOT, stages: [folds], inner, notes: [] }, 3500, 200));
    assert.deepEqual(text.split('\n'), [
      `▸ folds      ${'━'.repeat(8)}${'┄'.repeat(16)}     1/3     2.5 s`,
      '    fold-2',
      `    ▸ fine-tune  ${'┄'.repeat(24)}     0/1     2.5 s`,
      `        ${'━'.repeat(6)}${'┄'.repeat(18)} epoch 1/4  step 5/20  loss 0.2500  1:01 left`,
    ]);
    const before = { ...SNAPSHOT, stages: [folds], inner: { ...inner, run: 'a/fold-1' } };
    assert.deepEqual(renderPlain(before, { ...before, inner }), [
      'fold-2 encode: 4 of 4, 0.5 s  reused (took 12.0 s)',
      'fold-2 fine-tune: 0 of 1',
    ]);
  });

  it('leaves out the bar of the training, and then the step, where the terminal is too narrow', () => {
    const long = { ...training, step: 130, steps: 1500, epoch: 27, epochs: 300, valDice: 0.078 };
    const lineAt = (columns: number): string =>
      stripVTControlCharacters(renderLive({ ...SNAPSHOT, training: long }, 3500, columns)).split('\n')[2]!;
    assert.match(lineAt(120), /^ {4}━━┄+ epoch 27\/300 {2}step/);
    assert.equal(lineAt(80), '    epoch 27/300  step 130/1500  loss 0.2500  Dice 0.078  1:01 left');
    assert.equal(lineAt(60), '    epoch 27/300  loss 0.2500  Dice 0.078  1:01 left');
  });

  it('cuts long notes at the width of the terminal', () => {
    const notes = [`fineTune: attempt 2, after: ${'x'.repeat(500)}`];
    const last = stripVTControlCharacters(renderLive({ ...SNAPSHOT, notes }, 3500, 80))
      .split('\n')
      .at(-1)!;
    assert.ok(last.length <= 80);
  });
});

describe('the plain view', () => {
  it('adds a line where something has changed, and none where nothing has', () => {
    assert.deepEqual(renderPlain(null, SNAPSHOT), [
      'encode: 4 of 4, 0.5 s  reused (took 12.0 s)',
      'fine-tune: 0 of 1',
      'fine-tune: epoch 1/4  step 5/20  loss 0.2500  1:01 left',
      '! evaluate: waiting for a worker (6 s)',
    ]);
    assert.deepEqual(renderPlain(SNAPSHOT, SNAPSHOT), []);
  });

  it('tells the training once an epoch, and a note once, however its numbers grow', () => {
    const later = { ...SNAPSHOT, training: { ...training, step: 6 }, notes: ['evaluate: waiting for a worker (9 s)'] };
    assert.deepEqual(renderPlain(SNAPSHOT, later), []);
    const next = { ...SNAPSHOT, training: { ...training, epoch: 2, valDice: 0.5 } };
    assert.deepEqual(renderPlain(SNAPSHOT, next), [
      'fine-tune: epoch 2/4  step 5/20  loss 0.2500  Dice 0.500  1:01 left',
    ]);
  });
});

describe('a time', () => {
  for (const [seconds, text] of [
    [0, '0:00'],
    [59.2, '1:00'],
    [3661, '1:01:01'],
    [-5, '0:00'],
  ] as const) {
    it(`of ${seconds} s is ${text}`, () => assert.equal(clock(seconds), text));
  }
});
