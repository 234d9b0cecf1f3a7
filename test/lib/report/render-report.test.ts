import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { diceCounts } from '../../../lib/report/charts.ts';
import { pickSlices } from '../../../lib/report/pick-slices.ts';
import { settingGroups } from '../../../lib/report/record-sections.ts';
import { renderReport } from '../../../lib/report/render-report.ts';
import type { ReportData } from '../../../lib/report/report-data.ts';
import { reportData } from './report-fixture.ts';

const data = reportData();
const page = renderReport(data);

test('the same data give the same bytes', () => {
  assert.equal(renderReport(reportData()), page);
});

test('the page asks for nothing: no script, no address, a policy that forbids both', () => {
  assert.match(page, /http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;/);
  assert.doesNotMatch(page, /<script|<link(?! rel="icon" href="data:,")|<iframe|\son\w+=/i);
  const addresses = page.match(/\b(?:src|href|url)\s*[=(]\s*["']?[^"')\s>]+/g) ?? [];
  for (const address of addresses)
    assert.match(address, /[=(]\s*["']?(data:image\/png;base64,|data:,|#)/, address.slice(0, 60));
  assert.deepEqual(page.replaceAll('http://www.w3.org/', '').match(/https?:\/\/[^\s"'<]*/g) ?? [], []);
});

test('the only styles are those whose hash the policy names', () => {
  const style = page.match(/<style>([\s\S]*?)<\/style>/)![1]!;
  const hash = createHash('sha256').update(style).digest('base64');
  assert.ok(page.includes(`style-src &#39;sha256-${hash}&#39;`));
  assert.equal(page.match(/<style/g)!.length, 1);
  assert.doesNotMatch(page, /\sstyle=/);
});

test('ids are unique, and every reference has its target', () => {
  const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map((match) => match[1]!);
  assert.equal(new Set(ids).size, ids.length);
  const references = [...page.matchAll(/(?:href="|url\()#([^")]*)/g)].map((match) => match[1]!);
  assert.deepEqual(
    references.filter((reference) => !ids.includes(reference)),
    [],
  );
});

describe('text from a configuration is shown, never run', () => {
  const hostile = '<img src=x onerror=alert(1)>"\'&';
  const cases: [string, Partial<ReportData>][] = [
    ['the title', { title: hostile }],
    ['the target', { target: hostile }],
    ['a setting', { settings: { training: { [hostile]: hostile } } }],
    ['the run', { run: hostile }],
    ['the model', { model: hostile }],
    ['a rule of automatic boxes', { infer: [{ ...data.infer[0]!, prompts: hostile }] }],
    ['the key of the weights', { weights: { ...data.weights!, key: hostile } }],
    ['a stage', { lineage: data.lineage.map((entry) => ({ ...entry, stage: hostile })) }],
    ['a patient', { evaluation: withPatient(hostile) }],
  ];
  for (const [title, change] of cases) {
    test(title, () => {
      const changed = renderReport({ ...data, ...change });
      assert.ok(!changed.includes('<img src=x'), 'markup got through');
      assert.match(changed, /&lt;img src=x onerror=alert\(1\)&gt;/);
    });
  }
});

function withPatient(patient: string): ReportData['evaluation'] {
  return { ...data.evaluation, patients: data.evaluation.patients.map((scored) => ({ ...scored, patient })) };
}

test('the pictures are of the best, the median and the worst slice by fine-tuned Dice', () => {
  const slices = data.evaluation.patients[0]!.slices;
  const byDice = [...slices].sort((a, b) => a.fineTuned.dice - b.fineTuned.dice);
  const dice = Object.fromEntries(pickSlices(data.evaluation).map(({ rank, fineTuned }) => [rank, fineTuned.dice]));
  assert.equal(dice.best, byDice.at(-1)!.fineTuned.dice);
  assert.equal(dice.worst, byDice[0]!.fineTuned.dice);
  const below = byDice.filter((slice) => slice.fineTuned.dice < dice.median!).length;
  assert.ok(Math.abs(below - slices.length / 2) <= 1, `${below} of ${slices.length} slices lie below the median`);
});

test('one slice, and none, make a page too', () => {
  const [patient] = data.evaluation.patients;
  for (const slices of [patient!.slices.slice(0, 1), []]) {
    const evaluation = { ...data.evaluation, patients: [{ ...patient!, slices }] };
    assert.match(renderReport({ ...data, evaluation, pictures: [] }), /<\/html>/);
  }
});

test('a loss is not called a gain', () => {
  const { zeroShot, fineTuned } = data.evaluation;
  const worse = renderReport({ ...data, evaluation: { ...data.evaluation, zeroShot: fineTuned, fineTuned: zeroShot } });
  assert.match(worse, /lowered Dice for lungs/);
  assert.match(
    renderReport({ ...data, evaluation: { ...data.evaluation, zeroShot: fineTuned } }),
    /left Dice for lungs at/,
  );
});

test('a picture whose mask has another shape is refused by name', () => {
  const [first, ...others] = data.pictures;
  const pictures = [{ ...first!, truth: first!.truth.subarray(1) }, ...others];
  assert.throws(() => renderReport({ ...data, pictures }), {
    code: 'REPORT_PICTURE_SHAPE',
    message: /slice \d+ truth: found 25599/,
  });
});

test('each kind of boxes has a row of its own, with a dash where nothing was scored', () => {
  const jittered = { zeroShot: { dice: 0.111, iou: 0.1 }, fineTuned: { dice: 0.222, iou: 0.1 } };
  const rows = (html: string) =>
    [...html.matchAll(/<tr><th scope="row">(From the truth|Jittered|Automatic).*<\/tr>/g)].map(([row]) =>
      row.replaceAll(/<[^>]+>/g, ' '),
    );
  const [truth, drawn, automatic] = rows(renderReport({ ...data, evaluation: { ...data.evaluation, jittered } }));
  assert.match(drawn!, /0\.111 +0\.222/);
  assert.doesNotMatch(truth!, /0\.111|0\.222/);
  assert.doesNotMatch(automatic!, /0\.111|0\.222/);
  assert.match(rows(renderReport(data))[1]!, /– +–/);
});

test('scores with boxes from the truth are called an upper bound, and automatic ones stand apart', () => {
  assert.match(page, /upper bound/);
  assert.match(page, /truth not used/);
  assert.match(page, /Not a medical device/);
});

test('the page says what it was made from, and stays small', () => {
  for (const { sha256 } of data.createdFrom) assert.ok(page.includes(sha256));
  const large = renderReport(reportData({ size: 512, count: 3 }));
  assert.ok(large.length < 1_500_000, `${large.length} characters for slices of 512 × 512`);
});

test('settings become groups of dotted keys', () => {
  const groups = settingGroups({ name: 'x', slices: { window: { widthHu: 1500 } }, list: [1, 2], none: null });
  assert.deepEqual(groups, [
    [
      'run',
      [
        ['name', 'x'],
        ['list', '1, 2'],
        ['none', 'none'],
      ],
    ],
    ['slices', [['window.widthHu', '1500']]],
  ]);
});

test('a Dice of exactly one counts in the last bin, and a border in the bin above it', () => {
  const counts = diceCounts([1, 0.15, 0].map((dice) => ({ dice, iou: 0 })));
  assert.deepEqual([counts[19], counts[3], counts[0]], [1, 1, 1]);
});
