import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { Platform } from '../../cli/dev/platform.ts';
import { outcomeJson, renderOutcome } from '../../cli/run-outcome.ts';
import type { PipelineResult } from '../../contracts/pipeline.ts';

const stage = (name: string, reused: boolean) => ({ name, seconds: 1.5, reused, workSeconds: 9 });
const RESULT = {
  run: 'lungs-1',
  stages: [stage('download', true), stage('convert', false)],
  metrics: { zeroShot: { dice: 0.5, iou: 0.25 }, fineTuned: { dice: 0.75, iou: 0.2 } },
  split: { test: ['p-0123456789ab'] },
  masks: [],
  repairs: ['p-0123456789ab: the mask lay on another grid'],
} as unknown as PipelineResult;
const automatic = (dice: number) =>
  ({ prompts: 'proposer', overlap: { dice, iou: 0.4 } }) as PipelineResult['masks'][number];
const FILES = { report: '/state/runs/lungs-1/report.html', masks: ['/state/runs/lungs-1/p.nii.gz'] };
const PLATFORM = {
  ...{ uiUrl: 'http://127.0.0.1:1', namespace: 'default', storeAddress: 'http://127.0.0.1:2, bucket samflow' },
} as Platform;

const shown = (result = RESULT, stays = false, platform = PLATFORM): string =>
  stripVTControlCharacters(renderOutcome(result, FILES, platform, stays));

describe('the end of a good run', () => {
  it('is a table of scores before and after, and their difference', () => {
    const rows = shown()
      .split('\n')
      .filter((line) => line.startsWith('│'))
      .map((line) =>
        line
          .split('│')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    assert.deepEqual(rows.slice(0, 4), [
      ['the unseen patient', 'Dice', 'IoU'],
      ['zero-shot', '0.500', '0.250'],
      ['fine-tuned', '0.750', '0.200'],
      ['change', '+0.250', '-0.050'],
    ]);
    assert.deepEqual(rows.slice(4), [
      ['Dice with boxes', 'zero-shot', 'fine-tuned'],
      ['from the truth', '0.500', '0.750'],
      ['jittered', '–', '–'],
      ['automatic', '–', '–'],
    ]);
  });

  it('has the scores of each kind of boxes in a row of its own', () => {
    const jittered = { zeroShot: { dice: 0.45, iou: 0.2 }, fineTuned: { dice: 0.7, iou: 0.19 } };
    const text = shown({ ...RESULT, jittered, masks: [automatic(0.6), automatic(0.5)] });
    assert.match(text, /│ from the truth +│ +0\.500 +│ +0\.750 +│/);
    assert.match(text, /│ jittered +│ +0\.450 +│ +0\.700 +│/);
    assert.match(text, /│ automatic: proposer +│ +– +│ +0\.550 +│/);
    const { metrics } = JSON.parse(
      outcomeJson('lungs-1', { result: { ...RESULT, jittered, masks: [automatic(0.6)] }, files: FILES }),
    );
    assert.deepEqual(metrics, { ...RESULT.metrics, jittered, automatic: { prompts: 'proposer', dice: 0.6, iou: 0.4 } });
  });

  it('names report, mask, Web UI and S3', () => {
    assert.match(shown(), /^Report {4}\S*lungs-1\/report\.html$/m);
    assert.match(shown(), /^Mask {6}\S*lungs-1\/p\.nii\.gz$/m);
    assert.match(shown(), /^Temporal {2}http:\/\/127\.0\.0\.1:1\/namespaces\/default\/workflows\/lungs-1$/m);
    assert.match(shown(), /^S3 {8}http:\/\/127\.0\.0\.1:2, bucket samflow$/m);
  });

  it('says that the addresses end with the command, and how to keep them, only where they do', () => {
    assert.match(shown(RESULT, false), /Both end now; `--keep` leaves them running/);
    assert.doesNotMatch(shown(RESULT, true), /--keep/);
  });

  it('names the workflow where the Web UI’s address is not known', () => {
    const platform = { ...PLATFORM, uiUrl: null, temporalAddress: 'temporal:7233' };
    assert.match(shown(RESULT, true, platform), /^Temporal {2}temporal:7233, workflow lungs-1$/m);
  });

  it('says what was mended, and how much was reused', () => {
    assert.match(shown(), /^Mended {4}p-0123456789ab: the mask lay on another grid$/m);
    assert.match(shown(), /^1 of 2 stages were reused from the store\.$/m);
    assert.match(
      shown({ ...RESULT, stages: [stage('download', true)] }),
      /^Nothing had changed: every stage was reused/m,
    );
    assert.doesNotMatch(shown({ ...RESULT, stages: [stage('download', false)] }), /reused/);
  });
});

describe('the JSON object of a good run', () => {
  it('has all metrics beside the means of Dice and IoU, which keep their place', () => {
    const summaries = [{ structure: 'lungs', fineTuning: [], postProcessing: null }];
    const { metrics } = JSON.parse(outcomeJson('lungs-1', { result: { ...RESULT, summaries }, files: FILES }));
    assert.deepEqual(metrics, { ...RESULT.metrics, summaries });
  });

  it('has these keys and no other', () =>
    assert.deepEqual(JSON.parse(outcomeJson('lungs-1', { result: RESULT, files: FILES })), {
      ...{ run: 'lungs-1', status: 'completed', metrics: RESULT.metrics, report: FILES.report },
      stages: [
        { name: 'download', seconds: 1.5, reused: true },
        { name: 'convert', seconds: 1.5, reused: false },
      ],
    }));
});
