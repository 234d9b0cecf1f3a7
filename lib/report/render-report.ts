import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { plural } from './format.ts';
import { Html, html } from './html.ts';
import { metricsSection } from './metrics-section.ts';
import { lineageSection, settingsSection } from './record-sections.ts';
import type { ReportData } from './report-data.ts';
import { patientsSection, slicesSection, trainingSection } from './result-sections.ts';
import { scoresSection, verdict } from './scores-section.ts';
import { weightsSection } from './weights-section.ts';

const STYLE = ['./page.css', './figures.css']
  .map((name) => readFileSync(new URL(name, import.meta.url), 'utf8'))
  .join('');

/**
 * The policy of the page: nothing is loaded but embedded images, no script runs, and the only styles are those of the one
 * style element, known by their hash.
 */
const POLICY = [
  "default-src 'none'",
  'img-src data:',
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const SECTIONS = ['scores', 'metrics', 'slices', 'patients', 'training', 'settings', 'lineage', 'weights'] as const;

/**
 * One self-contained HTML page: no request leaves it and no script is in it. The same data gives the same bytes.
 *
 * @throws Fault REPORT_PICTURE_SHAPE where a picture's arrays do not have its height and width
 */
export function renderReport(data: ReportData): string {
  const { title, weights, evaluation } = data;
  const absent = [!weights && 'weights', !evaluation.volumes && 'metrics'];
  const links = SECTIONS.filter((name) => !absent.includes(name)).map((name) => html`<a href="#${name}">${name}</a>`);
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">
<title>${title} · samflow report</title><link rel="icon" href="data:,">
<style>${new Html(STYLE)}</style></head>
<body><header><p class="notice">Research use only. Not a medical device.</p><h1>${title}</h1>
${verdict(data)}${facts(data)}<nav aria-label="Sections">${links}</nav></header>
<main>${[
    scoresSection(data),
    metricsSection(data),
    slicesSection(data),
    patientsSection(data),
    trainingSection(data),
    settingsSection(data),
    lineageSection(data),
    weightsSection(data),
  ]}</main>
<footer><p>For research use only. This model and its masks are not validated for clinical use: do not use them for diagnosis, treatment or any decision about a patient. Scores come from ${plural(data.evaluation.patients.length, 'test patient')} and say nothing about other scanners, protocols or populations.</p></footer></body></html>
`;
  return page.text;
}

function facts({ run, target, model, split }: ReportData): Html {
  const fact = (name: string, value: string): Html => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  const patients = `${split.train.length} train, ${split.val.length} validation, ${split.test.length} test`;
  return html`<dl>${[fact('Target', target), fact('Patients', patients), fact('Model', model), fact('Run', run)]}</dl>`;
}
