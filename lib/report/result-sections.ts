import { allScoresTable, worstCasesTable } from './cases.ts';
import { diceChart, histogramChart, lossChart, positionChart } from './charts.ts';
import { change, plural } from './format.ts';
import { type Html, html } from './html.ts';
import { slicePanels } from './panels.ts';
import type { ReportData, SlicePicture } from './report-data.ts';
import { patientTable } from './scores-section.ts';

const MODELS = [
  ['zero-shot', 'zero-shot'],
  ['fine-tuned', 'fine-tuned'],
] as const;

/** Best, median and worst test slice, each in four views. */
export function slicesSection({ pictures }: ReportData): Html {
  const show = (picture: SlicePicture): Html => {
    const { rank, patient, axis, index, zeroShot, fineTuned } = picture.pick;
    return html`<article id="slice-${rank}"><h3>${rank} <small>${patient}, ${axis} slice ${index}; change in Dice ${change(fineTuned.dice - zeroShot.dice)}</small></h3>${slicePanels(picture)}</article>`;
  };
  const legend = html`<p class="legend"><span><i class="key box"></i>box</span><span><i class="key truth"></i>truth</span><span><i class="key zero-shot"></i>zero-shot</span><span><i class="key fine-tuned"></i>fine-tuned</span></p>`;
  const none = html`<p class="note">The test patients have no scored slice, so there is none to show.</p>`;
  return html`<section id="slices"><h2>Best, median and worst slice</h2>${
    pictures.length === 0
      ? none
      : html`<p class="note">Of all test slices, by fine-tuned Dice with boxes from the truth. Yellow dashes are the truth. Select a picture to enlarge it.</p>${legend}${pictures.map(show)}`
  }</section>`;
}

/** Scores by patient, the worst of them, and how they spread over the slices. */
export function patientsSection(data: ReportData): Html {
  const { evaluation, pictures } = data;
  const scored = evaluation.patients.some((patient) => patient.slices.length > 0);
  const picks = pictures.map((picture) => picture.pick);
  const charts = html`<div class="pair">${[
    chartFigure('Dice along the scan', MODELS, positionChart(evaluation, picks)),
    chartFigure('Slices by Dice', MODELS, histogramChart(evaluation)),
  ]}</div>`;
  return html`<section id="patients"><h2>Patients and their slices</h2>${patientTable(data)}
<p class="note">With boxes from the truth. A patient’s scores are over the whole volume; the worst slice is by fine-tuned Dice.</p>${evaluation.volumes ? volumeCases(data) : null}${scored && charts}</section>`;
}

function volumeCases(data: ReportData): Html {
  return html`<h3>Worst cases</h3>${worstCasesTable(data)}
<p class="note">The lowest fine-tuned Dice over a whole volume, and every case that fine-tuning made worse.</p>
${allScoresTable(data)}`;
}

/** Learning curves with the epoch whose weights were kept. */
export function trainingSection(data: ReportData): Html {
  const { curves, bestEpoch, split } = data;
  const losses = [
    ['train', 'training'],
    ['fine-tuned', 'validation'],
  ] as const;
  const charts = html`<div class="pair">${[
    chartFigure('Loss', losses, lossChart(data)),
    chartFigure('Validation Dice', [['fine-tuned', 'validation']], diceChart(data)),
  ]}</div>`;
  return html`<section id="training"><h2>Training</h2><p class="note">${plural(curves.epochs.length, 'epoch')} on ${plural(
    split.train.length,
    'patient',
  )}; ${kept(bestEpoch)} the lowest loss on ${plural(split.val.length, 'validation patient')}, who ${split.val.length === 1 ? 'is' : 'are'} in neither training nor test.</p>${
    curves.epochs.length > 0 && charts
  }</section>`;
}

function chartFigure(title: string, keys: readonly (readonly [style: string, name: string])[], chart: Html): Html {
  return html`<figure class="plot"><figcaption><b>${title}</b><span class="legend">${keys.map(
    ([style, name]) => html`<span><i class="key ${style}"></i>${name}</span>`,
  )}</span></figcaption>${chart}</figure>`;
}

const kept = (bestEpoch: number): string =>
  bestEpoch === 0
    ? 'no epoch was better than the model as it came, so its weights were kept:'
    : `the weights of epoch ${bestEpoch} were kept,`;
