import { allScoresTable, type ScoredPatients, worstCasesTable } from './cases.ts';
import type { CrossValidationData, Fold } from './cross-validation-data.ts';
import { change, count, plural, score } from './format.ts';
import { type Html, html } from './html.ts';
import { postProcessText } from './metric-names.ts';
import { comparisonTables, howMeasured } from './metrics-section.ts';
import { factList, renderPage } from './page.ts';
import { hash, settingsSection } from './record-sections.ts';
import { oracleCard, verdict } from './scores-section.ts';
import { table } from './table.ts';

/** The report of a cross-validation, in the form of a run's: self-contained, and the same bytes of the same data. */
export function renderCrossValidation(data: CrossValidationData): string {
  const { title, run, target, patients, folds, settings } = data;
  const model = (settings.model as { checkpoint: string }).checkpoint;
  const evaluation = scoredPatients(data);
  return renderPage({
    title: `${title}, cross-validation`,
    head: [
      verdict({ evaluation, target, model }),
      factList([
        ['Target', target],
        ['Patients', `${plural(patients.length, 'patient')}, each tested once`],
        ['Folds', count(folds.length)],
        ['Model', model],
        ['Run', run],
      ]),
    ],
    sections: ['scores', 'metrics', 'folds', 'patients', 'settings'],
    main: [
      scoresSection(data, evaluation),
      metricsSection(data),
      foldsSection(data),
      patientsSection(data, evaluation),
      settingsSection(data),
      html`<p class="note">This report was made from ${data.createdFrom.name} ${hash(data.createdFrom.sha256)}.</p>`,
    ],
    caution: `Scores come from ${plural(patients.length, 'patient')} and say nothing about other scanners, protocols or populations.`,
  });
}

/** The pooled scores as those of one evaluation. Slices stand in the reports of the folds. */
function scoredPatients({ zeroShot, fineTuned, patients, setting, structures }: CrossValidationData) {
  const scored = patients.map((patient) => ({ ...patient, slices: [] }));
  return { zeroShot, fineTuned, patients: scored, volumes: { setting, structures } };
}

type Evaluation = ReturnType<typeof scoredPatients> & ScoredPatients;

function scoresSection({ patients }: CrossValidationData, evaluation: Evaluation): Html {
  const dices = patients.flatMap(({ automatic }) => (automatic ? [automatic.dice] : []));
  const mean = dices.reduce((sum, dice) => sum + dice, 0) / dices.length;
  const automatic =
    dices.length > 0
      ? html`<p>Mean Dice of ${plural(dices.length, 'patient')}: <strong>${score(mean)}</strong>, from ${score(Math.min(...dices))} to ${score(Math.max(...dices))}.</p>`
      : html`<p>No scan was scored with automatic boxes.</p>`;
  return html`<section id="scores"><h2>Scores, each patient unseen</h2>
<div class="pair">${oracleCard({ evaluation })}<div class="card apart"><h3>Automatic boxes <span class="pill">truth not used</span></h3>
${automatic}
<p class="note">The fine-tuned models with boxes made by a rule, as on a new scan. They answer another question than boxes from the truth and are not to be mixed with them.</p></div>
</div></section>
`;
}

function metricsSection(data: CrossValidationData): Html {
  const { patients, folds, note } = data;
  return html`<section id="metrics"><h2>All metrics, pooled</h2>
<p class="note">Over ${plural(patients.length, 'whole volume')}, each scored by the model of its fold and counted once; ${howMeasured(data)}</p>
<p class="note">The ${plural(folds.length, 'fold')} share patients that they trained on, so their scores are not quite independent, and interval and test take them as if they were. They say how the method does on patients like these, and not how one of the models does.</p>
${note && html`<p class="caution">${note}</p>`}
${comparisonTables(data)}</section>
`;
}

function foldsSection({ folds }: CrossValidationData): Html {
  const columns = [
    { name: 'Fold' },
    { name: 'Run', word: true },
    ...['Train', 'Validate', 'Tested', 'Dice zero-shot', 'Dice fine-tuned', 'Change'].map((name) => ({ name })),
    { name: 'Post-processing', word: true },
  ];
  const rows = folds.map(({ run, train, val, test, zeroShot, fineTuned, postProcess }, at) => [
    String(at + 1),
    // Where the command that followed the run has put it, beside this page.
    html`<a href="${run.split('/').at(-1)!}/report.html">${run}</a>`,
    ...[train, val, test].map(({ length }) => count(length)),
    score(zeroShot.dice),
    score(fineTuned.dice),
    change(fineTuned.dice - zeroShot.dice),
    postProcess ? postProcessText(postProcess) : 'none',
  ]);
  const unlike = folds.flatMap(({ asked }, at) => askedText(asked).map((what) => `fold ${at + 1} was ${what}`));
  return html`<section id="folds"><h2>Folds</h2>${table(columns, rows)}${
    unlike.length > 0 &&
    html`
<p class="caution">The folds were not trained alike, as people asked: ${unlike.join('; ')}.</p>`
  }
<p class="note">Numbers of patients, and mean Dice over the tested ones with boxes from the truth. Each fold is a run with a report and a model of its own; epoch and post-processing are chosen on its own validation patients.</p></section>
`;
}

function askedText(asked: Fold['asked']): string[] {
  return [
    ...(asked?.stoppedEarly ? ['stopped early'] : []),
    ...(asked?.extendedTo === undefined ? [] : [`extended to ${plural(asked.extendedTo, 'epoch')}`]),
  ];
}

function patientsSection({ patients }: CrossValidationData, evaluation: Evaluation): Html {
  const columns = [
    'Patient',
    'Fold',
    'Dice zero-shot',
    'Dice fine-tuned',
    'Change',
    'IoU fine-tuned',
    'Automatic Dice',
  ];
  const rows = patients.map(({ patient, fold, zeroShot, fineTuned, automatic }) => [
    patient,
    fold,
    score(zeroShot.dice),
    score(fineTuned.dice),
    change(fineTuned.dice - zeroShot.dice),
    score(fineTuned.iou),
    automatic ? score(automatic.dice) : '–',
  ]);
  const names = columns.map((name) => ({ name }));
  return html`<section id="patients"><h2>Patients</h2>${table(names, rows)}
<p class="note">Over the whole volume, by the model of the patient’s fold: with boxes from the truth, and in the last column with boxes made by a rule.</p>
<h3>Worst cases</h3>${worstCasesTable({ evaluation })}
<p class="note">The lowest fine-tuned Dice over a whole volume, and every case that fine-tuning made worse.</p>
${allScoresTable({ evaluation })}</section>
`;
}
