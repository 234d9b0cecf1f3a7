import { join } from 'node:path';
import Table from 'cli-table3';
import pc from 'picocolors';
import type { CrossValidationResult } from '../contracts/cross-validation.ts';
import type { Platform } from './dev/platform.ts';
import { type End, placesOf, reusedLines, saveInto, scoreTable } from './run-outcome.ts';
import { tableStyle } from './table-style.ts';

/** Fetches the report into `<stateDir>/runs/<run>/`, and those of the folds below it, where its links lead. */
export async function fetchReports(
  { run, report, folds }: CrossValidationResult,
  { artifacts }: Platform,
  stateDir: string,
): Promise<string> {
  const save = (of: string) => saveInto(join(stateDir, 'runs', ...of.split('/')));
  for (const fold of folds) await save(fold.run)('report.html', await artifacts.get(fold.report));
  return save(run)('report.html', await artifacts.get(report));
}

/** The end of a good cross-validation, for people. */
export function renderCrossValidation(result: CrossValidationResult, report: string, end: End): string {
  const patients = result.folds.reduce((sum, { test }) => sum + test.length, 0);
  return [
    '',
    scoreTable(result.metrics, `${patients} patients, each unseen`),
    foldTable(result),
    pc.dim(
      'Boxes come from the truth, so these scores are an upper bound;\nthe report has those of automatic prompts too.',
    ),
    '',
    ...placesOf({ run: result.run, report, masks: [] }, end),
    ...result.repairs.map((repair) => pc.yellow(`Mended    ${repair}`)),
    ...reusedLines(result.stages),
  ].join('\n');
}

function foldTable({ folds }: CrossValidationResult): string {
  const table = new Table({ head: ['fold', 'patients', 'zero-shot Dice', 'fine-tuned Dice'], ...tableStyle() });
  for (const { run, test, metrics } of folds) {
    const { zeroShot, fineTuned } = metrics;
    table.push([run, test.length, zeroShot.dice.toFixed(3), fineTuned.dice.toFixed(3)]);
  }
  return table.toString();
}

/** The object on the last line of stdout. */
export function crossValidationJson(result: CrossValidationResult, report: string): string {
  const { run, metrics, summaries, folds } = result;
  return JSON.stringify({
    ...{ run, status: 'completed' },
    stages: result.stages.map(({ name, seconds, reused }) => ({ name, seconds, reused })),
    metrics: { ...metrics, summaries },
    folds: folds.map(({ run, test, metrics }) => ({ run, patients: test, metrics })),
    report,
  });
}
