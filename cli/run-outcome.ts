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
  const folder = join(stateDir, 'runs', ...result.run.split('/'));
  await mkdir(folder, { recursive: true });
  const save = async (name: string, bytes: Uint8Array): Promise<string> => {
    await writeFile(join(folder, name), bytes);
    return join(folder, name);
  };
  const report = await save('report.html', await platform.artifacts.get(result.report));
  const masks: string[] = [];
  for (const { patient, mask } of result.masks) {
    masks.push(await save(`${patient}-${result.target}.nii.gz`, await platform.artifacts.get(mask)));
  }
  return { report, masks };
}

/** The end of a good run, for people. */
export function renderOutcome(
  result: PipelineResult,
  files: FetchedFiles,
  platform: Platform,
  /** False: the servers end with this command, and their addresses are good for nothing then. */
  stays: boolean,
): string {
  const reused = result.stages.filter((stage) => stage.reused).length;
  const place = (path: string): string => relative(process.cwd(), path) || path;
  const lines = [
    '',
    scoreTable(result),
    pc.dim('Boxes come from the truth, so these scores are an upper bound.'),
    '',
    promptsTable(result),
    pc.dim(
      'Each kind of boxes answers a question of its own: what a mask is worth inside a good box,\ninside a hurried one, and without anybody’s help.',
    ),
    '',
    `${pc.bold('Report')}    ${place(files.report)}`,
    ...files.masks.map((mask, at) => `${at === 0 ? pc.bold('Mask') : '    '}      ${place(mask)}`),
    `${pc.bold('Temporal')}  ${runUrl(result.run, platform) ?? `${platform.temporalAddress}, workflow ${result.run}`}`,
    `${pc.bold('S3')}        ${platform.storeAddress}`,
  ];
  if (!stays) {
    lines.push(pc.dim('          Both end now; `--keep` leaves them running, `samflow dev` starts them again.'));
  }
  for (const repair of result.repairs) lines.push(pc.yellow(`Mended    ${repair}`));
  if (reused > 0) lines.push('', reusedText(reused, result.stages.length));
  return lines.join('\n');
}

function reusedText(reused: number, stages: number): string {
  return reused === stages
    ? 'Nothing had changed: every stage was reused from the store.'
    : `${reused} of ${stages} stages were reused from the store.`;
}

function scoreTable({ metrics: { zeroShot, fineTuned }, split }: PipelineResult): string {
  const patients = split.test.length === 1 ? 'the unseen patient' : `${split.test.length} unseen patients`;
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
