import { change, count, plural, score } from './format.ts';
import { type Html, html } from './html.ts';
import { postProcessText } from './metric-names.ts';
import type { ReportData, ScoredPatient, Scores } from './report-data.ts';
import { bar, table } from './table.ts';

/** An evaluation with whatever else it has. */
interface Measured {
  readonly evaluation: Pick<ReportData['evaluation'], 'zeroShot' | 'fineTuned'> & {
    readonly patients: readonly Pick<ScoredPatient, 'slices'>[];
  };
}

/** What changed, in one sentence: the first thing that a reader wants to know. */
export function verdict({ evaluation, target, model }: Measured & Pick<ReportData, 'target' | 'model'>): Html {
  const { zeroShot, fineTuned, patients } = evaluation;
  const difference = fineTuned.dice - zeroShot.dice;
  const verb = Math.abs(difference) < 0.0005 ? 'left' : difference > 0 ? 'raised' : 'lowered';
  const slices = patients.flatMap((patient) => patient.slices);
  const better = slices.filter((slice) => slice.fineTuned.dice > slice.zeroShot.dice).length;
  const figures =
    verb === 'left'
      ? html`at <strong>${score(fineTuned.dice)}</strong>`
      : html`from ${score(zeroShot.dice)} to <strong>${score(fineTuned.dice)}</strong>`;
  const improved = slices.length > 0 && ` ${count(better)} of ${plural(slices.length, 'slice')} improved.`;
  return html`<p class="verdict">On ${plural(patients.length, 'unseen patient')}, fine-tuning ${model} ${verb} Dice for ${target} ${figures}.${improved}</p>`;
}

/** Scores by where the boxes come from: side by side, each set apart from the others. */
export function scoresSection(data: ReportData): Html {
  return html`<section id="scores"><h2>Scores on unseen patients</h2>
${promptsTable(data)}<div class="pair">${oracleCard(data)}${automaticCard(data)}</div></section>
`;
}

/** One row for each kind of boxes. */
function promptsTable({ evaluation, infer }: ReportData): Html {
  const { zeroShot, fineTuned, jittered } = evaluation;
  const overlaps = infer.flatMap(({ overlap }) => overlap ?? []);
  const dice = overlaps.length > 0 ? overlaps.reduce((sum, overlap) => sum + overlap.dice, 0) / overlaps.length : null;
  const shown = (value: number | null | undefined): string => (value == null ? '–' : score(value));
  const columns = [
    { name: 'Boxes', word: true },
    { name: 'Dice zero-shot' },
    { name: 'Dice fine-tuned' },
    { name: 'What it tells', word: true },
  ];
  return table(columns, [
    [
      'From the truth (oracle)',
      score(zeroShot.dice),
      score(fineTuned.dice),
      'the mask inside a good box: an upper bound',
    ],
    [
      'Jittered',
      shown(jittered?.zeroShot.dice),
      shown(jittered?.fineTuned.dice),
      'inside a box drawn in a hurry, as in training',
    ],
    ['Automatic', '–', shown(dice), 'as on a new scan: the truth is not used'],
  ]);
}

export function oracleCard({ evaluation }: Measured): Html {
  const { zeroShot, fineTuned, patients } = evaluation;
  const row = (name: string, style: string, { dice, iou }: Scores): Html =>
    html`<tr><th scope="row"><i class="key ${style}"></i>${name}</th>${[dice, iou].map(
      (value) => html`<td>${score(value)}${bar(value, style)}</td>`,
    )}</tr>\n`;
  const changes = [fineTuned.dice - zeroShot.dice, fineTuned.iou - zeroShot.iou];
  const what =
    patients.length === 1
      ? 'The whole volume'
      : `Mean over ${plural(patients.length, 'patient')}, each over the whole volume`;
  return html`<div class="card"><h3>Boxes from the truth <span class="pill">upper bound</span></h3>
<table class="headline"><thead><tr><td></td><th scope="col">Dice</th><th scope="col">IoU</th></tr></thead>
<tbody>${row('Zero-shot', 'zero-shot', zeroShot)}${row('Fine-tuned', 'fine-tuned', fineTuned)}</tbody>
<tfoot><tr><th scope="row">Change</th>${changes.map((value) => html`<td>${change(value)}</td>`)}</tr></tfoot></table>
<p class="note">${what}, on the scan’s own grid. The boxes are drawn round the truth (oracle prompts): they tell the model where the target is. Expect less on a scan that nobody has outlined.</p></div>
`;
}

const RULES = new Map([
  ['lungs', 'lung finder'],
  ['prior', 'training prior'],
  ['image', 'whole image'],
  ['proposer', 'box proposer'],
]);

function automaticCard({ infer }: ReportData): Html {
  const columns = [
    { name: 'Patient' },
    { name: 'Dice' },
    { name: 'IoU' },
    { name: 'HD95, mm' },
    { name: 'Boxes by', word: true },
    { name: 'Slices' },
  ];
  const rows = infer.map(({ patient, prompts, promptedSlices, propagated, overlap, scores }) => [
    patient,
    ...(overlap ? [score(overlap.dice), score(overlap.iou)] : ['–', '–']),
    scores?.map(({ hd95Mm }) => hd95Mm?.toFixed(2) ?? '–').join(' / ') ?? '–',
    `${RULES.get(prompts) ?? prompts}${propagated ? ', propagated' : ''}`,
    count(promptedSlices),
  ]);
  return html`<div class="card apart"><h3>Automatic boxes <span class="pill">truth not used</span></h3>
${rows.length > 0 ? table(columns, rows) : html`<p>No scan was segmented with automatic boxes in this run.</p>`}
<p class="note">The fine-tuned model with boxes made by a rule, as on a new scan: slices with a box, and scores where the scan has a truth. They answer another question than those with boxes from the truth and are not to be mixed with them.${cleaningNote(infer)}</p></div>
`;
}

/** What was done to the masks, and what they scored before it. */
function cleaningNote(infer: ReportData['infer']): string {
  const rule = infer.find(({ postProcess }) => postProcess)?.postProcess;
  if (!rule) return '';
  const before = infer.flatMap(({ overlapBefore }) => (overlapBefore ? [score(overlapBefore.dice)] : []));
  const dices = before.length > 0 ? ` (Dice before it: ${before.join(', ')})` : '';
  return ` The masks are post-processed: ${postProcessText(rule)}${dices}.`;
}

/** One row a patient, with boxes from the truth. */
export function patientTable({ evaluation }: ReportData): Html {
  const columns = [
    'Patient',
    'Dice zero-shot',
    'Dice fine-tuned',
    'Change',
    'IoU zero-shot',
    'IoU fine-tuned',
    'Slices',
    'Worst slice',
  ];
  const rows = evaluation.patients.map(({ patient, slices, zeroShot, fineTuned }) => [
    patient,
    score(zeroShot.dice),
    score(fineTuned.dice),
    change(fineTuned.dice - zeroShot.dice),
    score(zeroShot.iou),
    score(fineTuned.iou),
    count(slices.length),
    slices.length > 0 ? score(Math.min(...slices.map((slice) => slice.fineTuned.dice))) : '–',
  ]);
  return table(
    columns.map((name) => ({ name })),
    rows,
  );
}
