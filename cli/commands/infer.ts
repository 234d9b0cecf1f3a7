import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { WorkflowIdConflictPolicy } from '@temporalio/common';
import pc from 'picocolors';
import type { ArtifactRef } from '../../contracts/artifact.ts';
import { WORKFLOWS } from '../../contracts/messages.ts';
import type { InferWorkflowInput, InferWorkflowResult } from '../../contracts/pipeline.ts';
import { INFERENCE_PRIORITY } from '../../contracts/priority.ts';
import { QUEUES } from '../../contracts/queues.ts';
import type { PatientFiles } from '../../contracts/stages.ts';
import { Fault } from '../../lib/fault.ts';
import { readVolumeFile } from '../../lib/volume/read-file.ts';
import type { inferWorkflow } from '../../workflows/infer.ts';
import { checkOutputs } from '../check-outputs.ts';
import type { Platform } from '../dev/platform.ts';
import { EXIT } from '../exit-codes.ts';
import { requireResult } from '../find-run.ts';
import { followWorkflow, tellFailed } from '../follow-run.ts';
import { type MaskFormat, type PlannedOutput, planOutputs, writeOutput } from '../infer-outputs.ts';
import { findScan, requireReadable, type Scan } from '../scan-files.ts';
import { notesOf, openSegSources, segmentationOf } from '../segmentation.ts';
import { type Session, withSession } from '../session.ts';

export interface InferOptions {
  readonly run?: string;
  readonly model?: string;
  readonly output: string;
  readonly format: MaskFormat;
  readonly probability?: boolean;
  readonly json?: boolean;
}

/** `samflow infer SCAN... --run RUN -o OUT`: segments scans with the model of a run; masks come out on the scans' own grids. */
export async function inferCommand(paths: readonly string[], options: InferOptions): Promise<number> {
  if ((options.run === undefined) === (options.model === undefined)) {
    const details = { found: 'both or neither', expected: 'one of them', fix: 'Name the run whose model is used' };
    throw new Fault('USAGE', { at: '--run and --model', ...details });
  }
  const scans = await Promise.all(paths.map(findScan));
  await requireReadable(scans);
  const outputs = await planOutputs(paths, options.output, options.format);
  await checkOutputs(
    outputs.flatMap(({ path, probability }) => [path, ...(options.probability ? [probability] : [])]),
    scans,
  );
  const sources = options.format === 'dicom-seg' ? await openSegSources(scans) : null;
  return withSession({ json: options.json }, async (session) => {
    const { platform, say } = session;
    const model = await requireResult(options, platform);
    sources?.forEach((source, at) => {
      for (const note of notesOf(source)) say(pc.yellow(`${basename(paths[at]!)}: ${note}`));
    });
    const input: InferWorkflowInput = {
      package: model.package,
      scans: await Promise.all(scans.map((scan) => upload(scan, platform))),
      ...(options.probability && { probability: true }),
    };
    const by = { structures: model.structures, model: model.run };
    const toFile: ToFile = sources ? (mask, at) => segmentationOf(mask, sources[at]!, by) : (mask) => mask;
    return infer(input, outputs, toFile, session);
  });
}

/** From the mask of scan `at`, a gzipped NIfTI file, to the file that was asked for. */
type ToFile = (mask: Uint8Array, at: number) => Uint8Array | Promise<Uint8Array>;

async function infer(
  input: InferWorkflowInput,
  outputs: readonly PlannedOutput[],
  toFile: ToFile,
  session: Session,
): Promise<number> {
  const { platform, json, say } = session;
  const hashes = [input.package, ...input.scans.map(({ files }) => files)].map(({ sha256 }) => sha256);
  const asked = input.probability ? [...hashes, 'probability'] : hashes;
  const id = `infer-${createHash('sha256').update(asked.join()).digest('hex').slice(0, 12)}`;
  await platform.client.workflow.start<typeof inferWorkflow>(WORKFLOWS.infer, {
    workflowId: id,
    taskQueue: QUEUES.workflow,
    args: [input],
    priority: INFERENCE_PRIORITY,
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    staticSummary: `Segment ${input.scans.length} scan(s)`,
  });
  const ending = await followWorkflow<InferWorkflowResult>(id, platform, session);
  if ('failure' in ending) return tellFailed(id, ending.failure, session, { masks: [] });
  const masks = [];
  for (const [at, { mask, probability, foregroundVoxels, prompts }] of ending.result.masks.entries()) {
    const { scan, path, ...beside } = outputs[at]!;
    await writeOutput(path, await toFile(await platform.artifacts.get(mask), at));
    say(`${pc.bold(path)}  ${foregroundVoxels} voxels, boxes by \`${prompts}\``);
    if (probability) {
      await writeOutput(beside.probability, await platform.artifacts.get(probability));
      say(pc.bold(beside.probability));
    }
    masks.push({ scan, mask: path, ...(probability && beside), foregroundVoxels, prompts });
  }
  if (json) process.stdout.write(`${JSON.stringify({ run: id, status: 'completed', masks })}\n`);
  return EXIT.ok;
}

/** Puts a scan into the store, under a key made of its content: nobody has to tell who the patient is. */
async function upload({ path, files }: Scan, { artifacts }: Platform): Promise<InferWorkflowInput['scans'][number]> {
  const image: PatientFiles['image'] = [];
  for (const file of files) {
    const ref: ArtifactRef = await artifacts.put('scan', await readVolumeFile(file));
    image.push({ name: basename(file), path: files.length > 1 ? join(path, basename(file)) : path, ref });
  }
  const digest = createHash('sha256').update(image.map(({ ref }) => ref.sha256).join());
  const patient = `p-${digest.digest('hex').slice(0, 12)}`;
  const record: PatientFiles = { patient, image, mask: null, labels: null };
  return { patient, files: await artifacts.putJson('patient-files', record) };
}
