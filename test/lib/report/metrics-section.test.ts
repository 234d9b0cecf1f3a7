import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allScoresTable, worstCases, worstCasesTable } from '../../../lib/report/cases.ts';
import { postProcessText } from '../../../lib/report/metric-names.ts';
import { metricsSection } from '../../../lib/report/metrics-section.ts';
import { renderReport } from '../../../lib/report/render-report.ts';
import type { ReportData, ScoredPatient, VolumeScores } from '../../../lib/report/report-data.ts';
import { reportData, volumeEvaluation } from './report-fixture.ts';

const data = reportData();
const [first] = data.evaluation.patients;
const { fineTuned: good } = first!.structures![0]!;

/** A patient of whom only Dice is told, and what else changes. */
function patient(name: string, before: number, after: number, change: Partial<VolumeScores> = {}): ScoredPatient {
  const scores = (dice: number): VolumeScores => ({ ...good, dice, iou: dice / (2 - dice) });
  return {
    ...{ ...first!, patient: name, slices: [] },
    structures: [{ zeroShot: scores(before), fineTuned: { ...scores(after), ...change }, postProcessed: null }],
  };
}

function withPatients(patients: ScoredPatient[]): ReportData {
  return { ...data, evaluation: { ...data.evaluation, patients, volumes: volumeEvaluation(patients) } };
}

const cells = (html: string) => [...html.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/g)].map(([, cell]) => cell!);
const rowsOf = (html: string) => [...html.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row]) => cells(row!));

test('every metric has a row with means, medians, intervals, counts and p', () => {
  const gains = [0.1, 0.12, 0.05, 0.2, 0.15, 0.08, -0.02];
  const many = withPatients(gains.map((gain, at) => patient(`p-${at}`, 0.7, 0.7 + gain)));
  const [, dice, ...others] = rowsOf(metricsSection(many)!.text);
  assert.deepEqual(dice!.slice(0, 3), ['Dice', dice![1]!, '0.700']);
  assert.match(dice![1]!, /^0\.700<small class="interval">0\.700 to 0\.700<\/small>$/);
  assert.match(dice![5]!, /^\+0\.097<small class="interval">\+0\.0\d\d to \+0\.1\d\d<\/small>$/);
  assert.deepEqual(dice!.slice(6), ['6', '1', '0.031']);
  assert.deepEqual(
    others.slice(0, 10).map(([name]) => name),
    [
      ...['IoU', 'Precision', 'Recall', 'Volume error, %', 'HD, mm', 'HD95, mm', 'ASSD, mm'],
      ...['NSD at 1 mm', 'NSD at 2 mm', 'NSD at 5 mm'],
    ],
  );
});

test('what so few patients cannot say stands above the table', () => {
  assert.match(metricsSection(data)!.text, /One test patient: no interval and no test can be given/);
  const many = withPatients(Array.from({ length: 12 }, (_, at) => patient(`p-${at}`, 0.5, 0.6)));
  assert.doesNotMatch(metricsSection(many)!.text, /caution/);
});

test('how surfaces are defined, and where post-processing was chosen, is said', () => {
  const page = renderReport(data);
  assert.match(page, /sub-voxel surfaces, weighted by area/);
  assert.match(page, /chosen on 1 validation patient alone: nothing is done to the masks/);
  assert.match(page, /The masks are post-processed: holes filled \(Dice before it: 0\.866\)\./);
  const volumes = { ...data.evaluation.volumes!, setting: { surface: 'voxel-edge', tolerancesMm: [2] } as const };
  const other = renderReport({ ...data, evaluation: { ...data.evaluation, volumes } });
  assert.match(other, /edge voxels, each counted once \(MONAI\)/);
});

test('post-processed masks have a table of their own beside those that came out', () => {
  const { volumes } = data.evaluation;
  const [summary] = volumes!.summaries;
  const rule = { fillHoles: false, minComponentMm3: 100, largestComponent: true };
  const evaluation = {
    ...data.evaluation,
    volumes: {
      ...volumes!,
      summaries: [{ ...summary!, postProcessing: summary!.fineTuning }],
      postProcess: { ...volumes!.postProcess, rule, by: 'configuration' as const },
    },
  };
  const section = metricsSection({ ...data, evaluation })!.text;
  assert.match(section, /As it comes.*Post-processed/);
  assert.match(section, /as configured: components below 100 mm³ dropped, largest component kept\./);
});

test('the worst five are listed, then all that fine-tuning made worse', () => {
  const dices = [0.9, 0.2, 0.5, 0.7, 0.8, 0.6, 0.95, 0.97];
  const patients = dices.map((dice, at) => patient(`p-${at}`, dice > 0.96 ? 0.99 : 0.1, dice));
  const worst = worstCases(withPatients(patients).evaluation);
  assert.deepEqual(
    worst.map(({ patient }) => patient),
    ['p-1', 'p-2', 'p-5', 'p-3', 'p-4', 'p-7'],
  );
  const backwards = worstCases(withPatients([...patients].reverse()).evaluation);
  assert.deepEqual(backwards, worst);
});

test('a worst case says what happened', () => {
  const listed = worstCasesTable(
    withPatients([
      patient('p-1', 0.5, 0, { predictedMl: 0, volumeErrorPercent: -100, hd95Mm: 412.5 }),
      patient('p-2', 0, 0.1, { truthMl: 0, hd95Mm: null }),
      patient('p-3', 0.8, 0.9),
    ]),
  ).text;
  const [, ...rows] = rowsOf(listed);
  assert.deepEqual(rows[0], ['p-1', 'lungs', '0.000', '−0.500', '412.50', '−100.0', 'missed, worse than zero-shot']);
  assert.deepEqual([rows[1]![4], rows[1]!.at(-1)], ['–', 'found where nothing is']);
  assert.equal(rows[2]!.at(-1), '–');
});

test('every patient has a row for each model with every metric', () => {
  const [head, zeroShot, fineTuned] = rowsOf(allScoresTable(data)!.text);
  assert.equal(head!.length, 3 + 11 + 2);
  assert.deepEqual([zeroShot![2], fineTuned![2]], ['zero-shot', 'fine-tuned']);
  assert.equal(fineTuned![3], good.dice.toFixed(3));
  assert.equal(fineTuned!.length, head!.length);
});

test('an evaluation of an older version, without these scores, makes a report without these parts', () => {
  const { volumes, ...older } = data.evaluation;
  const page = renderReport({ ...data, evaluation: older });
  assert.ok(volumes);
  assert.doesNotMatch(page, /id="metrics"|href="#metrics"|Worst cases/);
});

test('a rule of post-processing is told in words', () => {
  const nothing = { fillHoles: false, minComponentMm3: 0, largestComponent: false };
  assert.equal(postProcessText(nothing), 'nothing done');
  assert.equal(
    postProcessText({ fillHoles: true, minComponentMm3: 10, largestComponent: true }),
    'holes filled, components below 10 mm³ dropped, largest component kept',
  );
});
