import { plural, pValue, score, signed } from './format.ts';
import { type Html, html, type Part } from './html.ts';
import { type Metric, metricsOf, postProcessText } from './metric-names.ts';
import type { Comparison, ReportData, Spread, VolumeEvaluation } from './report-data.ts';
import { table } from './table.ts';

const SURFACES = {
  'sub-voxel': 'sub-voxel surfaces, weighted by area',
  'voxel-edge': 'edge voxels, each counted once (MONAI)',
};

/** All metrics over the patients, structure by structure: zero-shot against fine-tuned, with what can be said of the difference. */
export function metricsSection({ evaluation }: ReportData): Html | null {
  const { volumes, patients } = evaluation;
  if (!volumes) return null;
  const { note } = volumes;
  return html`<section id="metrics"><h2>All metrics on unseen patients</h2>
<p class="note">Over ${plural(patients.length, 'whole volume')}, ${howMeasured(volumes)}</p>
${note && html`<p class="caution">${note}</p>`}
${comparisonTables(volumes)}
${postProcessNote(volumes)}</section>
`;
}

/** The rest of a sentence that says over what. */
export const howMeasured = ({ setting }: Pick<VolumeEvaluation, 'setting'>): string =>
  `with boxes from the truth; distances in millimetres between ${SURFACES[setting.surface]}. Small figures: 95 % bootstrap interval of the mean, over patients. p: exact two-sided Wilcoxon signed-rank test of the paired differences. A volume error counts by its size here.`;

/** Before and after fine-tuning, and post-processing where there is any, for each structure. */
export function comparisonTables({ setting, summaries }: Pick<VolumeEvaluation, 'setting' | 'summaries'>): Html[] {
  const metrics = metricsOf(setting.tolerancesMm);
  return summaries.map(
    ({ structure, fineTuning, postProcessing }) => html`<h3>${structure}</h3>
${comparisonTable(['Zero-shot', 'Fine-tuned'], fineTuning, metrics)}
${postProcessing && html`<h4>Fine-tuned, and post-processed</h4>${comparisonTable(['As it comes', 'Post-processed'], postProcessing, metrics)}`}`,
  );
}

function comparisonTable(
  [before, after]: readonly [string, string],
  comparisons: readonly Comparison[],
  metrics: ReadonlyMap<string, Metric>,
): Html {
  const names = ['Metric', before, 'median', after, 'median', 'Change', 'Better', 'Worse', 'p'];
  const rows = comparisons.map((comparison) => {
    const { label, digits } = metrics.get(comparison.metric) ?? { label: comparison.metric, digits: 3 };
    const plain = (value: number): string => value.toFixed(digits);
    return [
      label,
      spread(comparison.before, plain),
      plain(comparison.before.median),
      spread(comparison.after, plain),
      plain(comparison.after.median),
      spread(comparison.change, (value) => signed(value, digits)),
      comparison.improved,
      comparison.worsened,
      pValue(comparison.p),
    ];
  });
  return table(
    names.map((name) => ({ name })),
    rows,
  );
}

/** A mean with its interval below it. */
function spread({ mean, interval }: Spread, write: (value: number) => string): Part {
  return html`${write(mean)}${interval && html`<small class="interval">${write(interval[0])} to ${write(interval[1])}</small>`}`;
}

function postProcessNote({ postProcess: { rule, by, patients, tried } }: VolumeEvaluation): Html {
  const what = rule ? postProcessText(rule) : 'nothing is done to the masks';
  if (by === 'configuration') return html`<p class="note">Post-processing as configured: ${what}.</p>`;
  if (by === 'nothing')
    return html`<p class="note">Post-processing: ${what}; there was no validation patient to choose by.</p>`;
  const rows = tried.map(({ rule, dice }) => [postProcessText(rule), score(dice)]);
  return html`<p class="note">Post-processing, chosen on ${plural(patients.length, 'validation patient')} alone: ${what}. A stronger rule has to raise their mean Dice by 0.001. The masks of new scans get the same.</p>
<details><summary>What was tried</summary>${table([{ name: 'Rule' }, { name: 'Validation Dice' }], rows)}</details>`;
}
