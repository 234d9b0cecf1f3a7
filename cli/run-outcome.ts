import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import Table from 'cli-table3';
import pc from 'picocolors';
import type { PipelineResult } from '../contracts/pipeline.ts';
import type { Platform } from './dev/platform.ts';
import type { RunFailure } from './run-failure.ts';
import { tableStyle } from './table-style.ts';

/** Files of a finished run, fetched to this machine. */
export interface FetchedFiles {
  readonly report: string;
  readonly masks: readonly string[];
}

/** Fetches the report and the masks into `<stateDir>/runs/<run>/`. */
export async function fetchFiles(result: PipelineResult, platform: Platform, stateDir: string): Promise<FetchedFiles> {
  const save = saveInto(join(stateDir, 'runs', ...result.run.split('/')));
  const report = await save('report.html', await platform.artifacts.get(result.report));
  const masks: string[] = [];
  for (const { patient, mask } of result.masks) {
    masks.push(await save(`${patient}-${result.target}.nii.gz`, await platform.artifacts.get(mask)));
  }
  return { report, masks };
}

/** Writes files into a folder, which is made for the first; gives their paths. */
export const saveInto =
  (folder: string) =>
  async (name: string, bytes: Uint8Array): Promise<string> => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, name), bytes);
    return join(folder, name);
  };

/** Where the command that tells of a run is, and whether its servers outlive it. */
export interface End {
  readonly platform: Platform;
  /** False: the servers end with this command, and their addresses are good for nothing then. */
  readonly stays: boolean;
}

/** The end of a good run, for people. */
export function renderOutcome(result: PipelineResult, files: FetchedFiles, platform: Platform, stays: boolean): string {
  const { split, metrics, run, repairs, stages } = result;
  const patients = split.test.length === 1 ? 'the unseen patient' : `${split.test.length} unseen patients`;
  return [
    '',
    scoreTable(metrics, patients),
    pc.dim('Boxes come from the truth, so these scores are an upper bound.'),
    '',
    promptsTable(result),
    pc.dim(
      'Each kind of boxes answers a question of its own: what a mask is worth inside a good box,\ninside a hurried one, and without anybody’s help.',
    ),
    '',
    ...placesOf({ run, ...files }, { platform, stays }),
    ...repairs.map((repair) => pc.yellow(`Mended    ${repair}`)),
    ...reusedLines(stages),
  ].join('\n');
}

/** Where to look: files, pages, addresses. */
export function placesOf(
  { run, report, masks }: FetchedFiles & { readonly run: string },
  { platform, stays }: End,
): string[] {
  const place = (path: string): string => relative(process.cwd(), path) || path;
  return [
    `${pc.bold('Report')}    ${place(report)}`,
    ...masks.map((mask, at) => `${at === 0 ? pc.bold('Mask') : '    '}      ${place(mask)}`),
    `${pc.bold('Temporal')}  ${runUrl(run, platform) ?? `${platform.temporalAddress}, workflow ${run}`}`,
    `${pc.bold('S3')}        ${platform.storeAddress}`,
    ...(stays
      ? []
      : [pc.dim('          Both end now; `--keep` leaves them running, `samflow dev` starts them again.')]),
  ];
}

export function reusedLines(stages: PipelineResult['stages']): string[] {
  const reused = stages.filter((stage) => stage.reused).length;
  if (reused === 0) return [];
  if (reused === stages.length) return ['', 'Nothing had changed: every stage was reused from the store.'];
  return ['', `${reused} of ${stages.length} stages were reused from the store.`];
}

/** `patients`: of whom the scores are. */
export function scoreTable({ zeroShot, fineTuned }: PipelineResult['metrics'], patients: string): string {
  const change = (key: 'dice' | 'iou'): string => {
    const value = fineTuned[key] - zeroShot[key];
    const text = `${value >= 0 ? '+' : ''}${value.toFixed(3)}`;
    return value >= 0 ? pc.green(text) : pc.red(text);
  };
  const table = new Table({ head: [patients, 'Dice', 'IoU'], ...tableStyle() });
  table.push(
    ['zero-shot', zeroShot.dice.toFixed(3), zeroShot.iou.toFixed(3)],
    ['fine-tuned', fineTuned.dice.toFixed(3), fineTuned.iou.toFixed(3)],
    ['change', change('dice'), change('iou')],
  );
  return table.toString();
}

/** Dice by where the boxes come from: side by side, never taken together. */
function promptsTable({ metrics, jittered, masks }: PipelineResult): string {
  const row = (name: string, dices: readonly (number | null | undefined)[]) => [
    name,
    ...dices.map((dice) => dice?.toFixed(3) ?? '–'),
  ];
  const automatic = automaticOverlap(masks);
  const table = new Table({ head: ['Dice with boxes', 'zero-shot', 'fine-tuned'], ...tableStyle() });
  table.push(
    row('from the truth', [metrics.zeroShot.dice, metrics.fineTuned.dice]),
    row('jittered', [jittered?.zeroShot.dice, jittered?.fineTuned.dice]),
    row(`automatic${masks[0] ? `: ${masks[0].prompts}` : ''}`, [null, automatic?.dice]),
  );
  return table.toString();
}

/** Of the masks without any help; null where no scan has a truth. */
function automaticOverlap(masks: PipelineResult['masks']): { dice: number; iou: number } | null {
  const overlaps = masks.flatMap(({ overlap }) => overlap ?? []);
  if (overlaps.length === 0) return null;
  const mean = (of: 'dice' | 'iou') => overlaps.reduce((sum, overlap) => sum + overlap[of], 0) / overlaps.length;
  return { dice: mean('dice'), iou: mean('iou') };
}

/** The run's page in the Web UI. */
export function runUrl(run: string, { uiUrl, namespace }: Platform): string | null {
  return uiUrl && `${uiUrl}/namespaces/${namespace}/workflows/${encodeURIComponent(run)}`;
}

/** The one JSON object on the last line of stdout. */
export function outcomeJson(
  run: string,
  outcome: { result: PipelineResult; files: FetchedFiles } | { failure: RunFailure },
): string {
  if ('failure' in outcome) {
    const { status, code, message, file } = outcome.failure;
    return JSON.stringify({ run, status, stages: [], metrics: null, report: null, failure: { code, message, file } });
  }
  const { summaries, jittered, masks } = outcome.result;
  const automatic = automaticOverlap(masks);
  const metrics = {
    ...outcome.result.metrics,
    ...(summaries && { summaries }),
    ...(jittered && { jittered }),
    ...(automatic && { automatic: { prompts: masks[0]!.prompts, ...automatic } }),
  };
  const stages = outcome.result.stages.map(({ name, seconds, reused }) => ({ name, seconds, reused }));
  return JSON.stringify({ run, status: 'completed', stages, metrics, report: outcome.files.report });
}
