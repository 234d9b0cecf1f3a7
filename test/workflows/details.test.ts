import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderDetails } from '../../workflows/details.ts';

const stage = { done: 0, total: 0, reused: 0, startedAt: null, seconds: null, workSeconds: 0 };
const EMPTY = {
  title: 'aorta',
  stages: [],
  metrics: null,
  training: null,
  control: null,
  trouble: null,
  failure: null,
};

describe('the details of a run in the Web UI', () => {
  it('are a table of the stages, with the training while it goes on', () => {
    const text = renderDetails({
      ...EMPTY,
      stages: [
        { ...stage, name: 'encode', state: 'reused', done: 4, total: 4, reused: 4, seconds: 0.5, workSeconds: 12 },
        { ...stage, name: 'fine-tune', state: 'running', total: 1 },
      ],
      training: {
        ...{ step: 40, steps: 100, epoch: 2, epochs: 5, trainLoss: 0.5, valDice: 0.8, secondsLeft: 11.2 },
        checkpoint: null,
      },
    });
    assert.equal(
      text,
      [
        '### aorta',
        '',
        '| stage | state | done | seconds | work |',
        '| --- | --- | --- | --- | --- |',
        '| encode | ✓ reused | 4 of 4 | 0.5 | 12.0 |',
        '| fine-tune | ▶ | 0 of 1 |  |  |',
        '',
        'epoch **2** of 5 · step 40 of 100 · loss **0.5000** · validation Dice **0.800** · 12 s left',
      ].join('\n'),
    );
  });

  it('end with the scores', () => {
    const metrics = { zeroShot: { dice: 0.5, iou: 0.333 }, fineTuned: { dice: 0.9, iou: 0.82 } };
    assert.match(
      renderDetails({ ...EMPTY, metrics }),
      /\| zero-shot \| 0\.500 \| 0\.333 \|\n\| fine-tuned \| 0\.900 \| 0\.820 \|$/,
    );
  });

  it('say what people have asked for', () => {
    const asked = (control: { paused: boolean; stopping: boolean; epochs: number | null }) =>
      renderDetails({ ...EMPTY, control });
    const nothing = { paused: false, stopping: false, epochs: null };
    assert.match(asked({ ...nothing, paused: true }), /\*\*Paused\.\*\* Resume it by the signal `resume`/);
    assert.match(asked({ ...nothing, stopping: true }), /The training was told to stop\./);
    assert.match(asked({ ...nothing, epochs: 60 }), /extended to 60 epochs\./);
    assert.equal(asked(nothing), renderDetails(EMPTY));
  });

  it('say what attempts come to nothing, and of what', () => {
    const told = (sentence: string | null) =>
      renderDetails({ ...EMPTY, trouble: { activity: 'fineTune', attempt: 6, sentence } });
    assert.match(
      told('the worker: found no memory left.'),
      /\*\*Attempt 6 of fineTune\.\*\* .* found no memory left\./,
    );
    assert.match(told(null), /ended without a word: its worker was killed, ran out of memory, or was cut off\./);
  });

  it('show texts of others as texts', () => {
    const text = renderDetails({ ...EMPTY, title: '<img onerror=x>', failure: 'a_b.nii: [CODE] **x**' });
    assert.doesNotMatch(text, /(?<!\\)<img/);
    assert.match(text, /\*\*Failed\.\*\* a\\_b\.nii: \\\[CODE\\\] \\\*\\\*x\\\*\\\*/);
  });
});
