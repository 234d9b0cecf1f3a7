import {
  Curves,
  Evaluation,
  type InferResult,
  ReportInput,
  ReportResult,
  type SplitResult,
} from '../contracts/stages.ts';
import type { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import { decodeSlices } from '../lib/dataset/slices-record.ts';
import { pickSlices, pictureOf } from '../lib/report/pick-slices.ts';
import type { ReportData, SlicePicture } from '../lib/report/report-data.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';
import { decodePredictions, planesOf, type Which } from './scoring.ts';

const VERSION = 5;
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
  for (const pick of pickSlices(evaluation)) {
    const { slices } = input.test.find(({ patient }) => patient === pick.patient)!;
    const { predictions } = evaluation.patients.find(({ patient }) => patient === pick.patient)!;
    const stacks = decodeSlices(await artifacts.get(slices));
    const labels = decodePredictions(await artifacts.get(predictions));
    pictures.push(pictureOf(pick, stacks, { zeroShot: labelsOf('zeroShot'), fineTuned: labelsOf('fineTuned') }));

    function labelsOf(which: Which): Uint8Array {
      const plane = planesOf(labels, which, stacks).find(({ stack }) => stack.axis === pick.axis)!;
      return plane.values;
    }
  }
  const { title, run, target, split, infer, bestEpoch, settings, weights, lineage } = input;
  const model = (settings.model as { checkpoint: string }).checkpoint;
  const createdFrom = [
    { name: 'evaluation', sha256: input.evaluation.sha256 },
    { name: 'curves', sha256: input.curves.sha256 },
    { name: 'split', sha256: split.record.sha256 },
  ];
  return {
    ...{ title, run, target, model, split, evaluation, pictures, infer, curves, bestEpoch, settings },
    ...{ createdFrom, weights, lineage },
  };
}
