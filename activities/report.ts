import {
  Curves,
  Evaluation,
  type InferResult,
  ReportInput,
  ReportResult,
  type SplitResult,
} from '../contracts/stages.ts';
import type { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import { decodeSlices } from '../lib/dataset/slices.ts';
import { pickSlices, pictureOf } from '../lib/report/pick-slices.ts';
import type { ReportData, SlicePicture } from '../lib/report/report-data.ts';
import { u8 } from '../lib/safetensors.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';
import { readTensors } from './models.ts';

const VERSION = 3;
const Result = ReportResult.pick({ report: true });

/** One self-contained HTML file of what the run gave. */
export const createReport = ({ artifacts, compute }: ActivityDeps) =>
  activity(ReportInput, async (input, { signal, by }): Promise<ReportResult> => {
    const { value, ...outcome } = await artifacts.memo({
      stage: 'report',
      version: VERSION,
      parameters: stable(input),
      inputs: [input.evaluation.sha256, input.curves.sha256],
      schema: Result,
      signal,
      by,
      compute: async () => {
        const html = await compute.run('report', await gather(input, artifacts), signal);
        return { report: await artifacts.put('report', html, 'text/html; charset=utf-8') };
      },
    });
    return { ...value, ...outcome };
  });

/** Whether something was reused differs from run to run; a report that says nothing else new is the same report. */
function stable({ infer, split, ...input }: ReportInput): unknown {
  const settle = ({ reused, key, cause, ...rest }: SplitResult | InferResult): object => rest;
  return { ...input, infer: infer.map(settle), split: settle(split) };
}

async function gather(input: ReportInput, artifacts: ArtifactStore): Promise<ReportData> {
  const evaluation = await artifacts.getJson(input.evaluation, Evaluation);
  const curves = await artifacts.getJson(input.curves, Curves);
  const pictures: SlicePicture[] = [];
  let axis: ReportData['axis'] = null;
  for (const pick of pickSlices(evaluation)) {
    const { slices } = input.test.find(({ patient }) => patient === pick.patient)!;
    const { predictions } = evaluation.patients.find(({ patient }) => patient === pick.patient)!;
    const stack = decodeSlices(await artifacts.get(slices));
    const tensors = await readTensors(artifacts, predictions);
    const { height, width, pixels, masks, pixelMm } = stack;
    const [zeroShot, fineTuned] = ['zeroShot', 'fineTuned'].map((name) => u8(tensors.get(name)!));
    const spacingMm = [pixelMm[1], pixelMm[0]] as const;
    axis = stack.axis;
    pictures.push(
      pictureOf(pick, { height, width, pixels, masks: masks!, zeroShot: zeroShot!, fineTuned: fineTuned!, spacingMm }),
    );
  }
  const { title, run, target, split, infer, bestEpoch, settings, weights, lineage } = input;
  const model = (settings.model as { checkpoint: string }).checkpoint;
  const createdFrom = [
    { name: 'evaluation', sha256: input.evaluation.sha256 },
    { name: 'curves', sha256: input.curves.sha256 },
    { name: 'split', sha256: split.record.sha256 },
  ];
  return {
    ...{ title, run, target, model, split, evaluation, axis, pictures, infer, curves, bestEpoch, settings },
    ...{ createdFrom, weights, lineage },
  };
}
