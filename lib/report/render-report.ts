import { plural } from './format.ts';
import type { Html } from './html.ts';
import { metricsSection } from './metrics-section.ts';
import { factList, renderPage } from './page.ts';
import { lineageSection, settingsSection } from './record-sections.ts';
import type { ReportData } from './report-data.ts';
import { patientsSection, slicesSection, trainingSection } from './result-sections.ts';
import { scoresSection, verdict } from './scores-section.ts';
import { weightsSection } from './weights-section.ts';

const SECTIONS = ['scores', 'metrics', 'slices', 'patients', 'training', 'settings', 'lineage', 'weights'] as const;

/**
 * One self-contained HTML page: no request leaves it and no script is in it. The same data gives the same bytes.
 *
 * @throws Fault REPORT_PICTURE_SHAPE where a picture's arrays do not have its height and width
 */
export function renderReport(data: ReportData): string {
  const { title, weights, evaluation } = data;
  const absent = [!weights && 'weights', !evaluation.volumes && 'metrics'];
  return renderPage({
    title,
    head: [verdict(data), facts(data)],
    sections: SECTIONS.filter((name) => !absent.includes(name)),
    main: [
      scoresSection(data),
      metricsSection(data),
      slicesSection(data),
      patientsSection(data),
      trainingSection(data),
      settingsSection(data),
      lineageSection(data),
      weightsSection(data),
    ],
    caution: `Scores come from ${plural(evaluation.patients.length, 'test patient')} and say nothing about other scanners, protocols or populations.`,
  });
}

function facts({ run, target, model, split }: ReportData): Html {
  const patients = `${split.train.length} train, ${split.val.length} validation, ${split.test.length} test`;
  return factList([
    ['Target', target],
    ['Patients', patients],
    ['Model', model],
    ['Run', run],
  ]);
}
