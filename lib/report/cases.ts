import { change, plural, score, signed } from './format.ts';
import { type Html, html, type Part } from './html.ts';
import { type Metric, metricsOf } from './metric-names.ts';
import type { ScoredPatient, ScoredStructure, VolumeEvaluation, VolumeScores } from './report-data.ts';
import { table } from './table.ts';

/** One structure of one patient. */
export interface Case {
  readonly patient: string;
  readonly structure: string;
  readonly scores: ScoredStructure;
}

/** Of an evaluation, what tables of cases are made from. */
export interface ScoredPatients {
  readonly patients: readonly Pick<ScoredPatient, 'patient' | 'structures'>[];
  readonly volumes?: Pick<VolumeEvaluation, 'setting' | 'structures'> | undefined;
}

/** As many as a reader looks at one by one. */
const WORST = 5;

const casesOf = ({ patients, volumes }: ScoredPatients): Case[] =>
  patients.flatMap(({ patient, structures = [] }) =>
    structures.map((scores, at) => ({ patient, structure: volumes?.structures[at]?.name ?? '', scores })),
  );

/**
 * The cases with the lowest fine-tuned Dice, and after them every other one that fine-tuning made worse. Ties go by patient, so
 * that the order of the input does not matter.
 */
export function worstCases(evaluation: ScoredPatients): Case[] {
  const sorted = casesOf(evaluation).sort(
    (a, b) =>
      a.scores.fineTuned.dice - b.scores.fineTuned.dice ||
      (a.patient < b.patient ? -1 : a.patient > b.patient ? 1 : 0) ||
      (a.structure < b.structure ? -1 : 1),
  );
  return sorted.filter(({ scores }, at) => at < WORST || gainOf(scores) < 0);
}

const gainOf = ({ zeroShot, fineTuned }: ScoredStructure): number => fineTuned.dice - zeroShot.dice;

export function worstCasesTable({ evaluation }: { readonly evaluation: ScoredPatients }): Html {
  const columns = [
    { name: 'Patient' },
    { name: 'Structure', word: true },
    { name: 'Dice' },
    { name: 'Change' },
    { name: 'HD95, mm' },
    { name: 'Volume error, %' },
    { name: 'What happened', word: true },
  ];
  const rows = worstCases(evaluation).map(({ patient, structure, scores }) => [
    patient,
    structure,
    score(scores.fineTuned.dice),
    change(gainOf(scores)),
    write(scores.fineTuned.hd95Mm, 2),
    signed(scores.fineTuned.volumeErrorPercent, 1),
    whatHappened(scores),
  ]);
  return table(columns, rows);
}

function whatHappened(scores: ScoredStructure): string {
  const { truthMl, predictedMl } = scores.fineTuned;
  const words = [
    truthMl > 0 && predictedMl === 0 && 'missed',
    truthMl === 0 && predictedMl > 0 && 'found where nothing is',
    gainOf(scores) < 0 && 'worse than zero-shot',
  ].filter((word) => word !== false);
  return words.join(', ') || '–';
}

/** Every metric of every patient, structure and model. */
export function allScoresTable({ evaluation }: { readonly evaluation: ScoredPatients }): Html | null {
  if (!evaluation.volumes) return null;
  const metrics = [...metricsOf(evaluation.volumes.setting.tolerancesMm).values()];
  const row = ({ patient, structure }: Case, model: string, scores: VolumeScores): Part[] => [
    patient,
    structure,
    model,
    ...metrics.map((metric) => cell(metric, scores)),
    scores.truthMl.toFixed(1),
    scores.predictedMl.toFixed(1),
  ];
  const rows = casesOf(evaluation).flatMap((one) => {
    const { zeroShot, fineTuned, postProcessed } = one.scores;
    return [
      row(one, 'zero-shot', zeroShot),
      row(one, 'fine-tuned', fineTuned),
      ...(postProcessed ? [row(one, 'post-processed', postProcessed)] : []),
    ];
  });
  const words = ['Structure', 'Model'].map((name) => ({ name, word: true }));
  const figures = [...metrics.map(({ label }) => label), 'Truth, ml', 'Found, ml'].map((name) => ({ name }));
  return html`<details><summary>All metrics of ${plural(evaluation.patients.length, 'patient')}</summary>${table([{ name: 'Patient' }, ...words, ...figures], rows)}</details>`;
}

function cell({ digits, signed: isSigned, read }: Metric, scores: VolumeScores): string {
  const value = read(scores);
  return isSigned && value !== null ? signed(value, digits) : write(value, digits);
}

const write = (value: number | null, digits: number): string => (value === null ? '–' : value.toFixed(digits));
