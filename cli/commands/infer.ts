import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { WorkflowIdConflictPolicy } from '@temporalio/common';
import pc from 'picocolors';
import type { ArtifactRef } from '../../contracts/artifact.ts';
import { WORKFLOWS } from '../../contracts/messages.ts';
import type { InferWorkflowInput, InferWorkflowResult } from '../../contracts/pipeline.ts';
import { QUEUES } from '../../contracts/queues.ts';
import type { PatientFiles } from '../../contracts/stages.ts';
import { Fault } from '../../lib/fault.ts';
import type { inferWorkflow } from '../../workflows/infer.ts';
import { checkOutputs } from '../check-outputs.ts';
import type { Platform } from '../dev/platform.ts';
import { EXIT } from '../exit-codes.ts';
import { requireResult } from '../find-run.ts';
import { followWorkflow, tellFailure } from '../follow-run.ts';
import { type PlannedOutput, planOutputs, writeOutput } from '../infer-outputs.ts';
import { findScan, requireReadable, type Scan } from '../scan-files.ts';
import { type Session, withSession } from '../session.ts';

export interface InferOptions {
  readonly run?: string;
  readonly model?: string;
  readonly output: string;
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
  const outputs = await planOutputs(paths, options.output);
  await checkOutputs(
    outputs.map(({ path }) => path),
    scans,
  );
  return withSession({ json: options.json }, async (session) => {
    const { platform } = session;
    const model = await requireResult(options, platform);
    const input: InferWorkflowInput = {
      package: model.package,
      scans: await Promise.all(scans.map((scan) => upload(scan, platform))),
    };
    return infer(input, outputs, session);
  });
}

async function infer(input: InferWorkflowInput, outputs: readonly PlannedOutput[], session: Session): Promise<number> {
  const { platform, json, say } = session;
  const hashes = [input.package, ...input.scans.map(({ files }) => files)].map(({ sha256 }) => sha256);
  const id = `infer-${createHash('sha256').update(hashes.join()).digest('hex').slice(0, 12)}`;
  await platform.client.workflow.start<typeof inferWorkflow>(WORKFLOWS.infer, {
    workflowId: id,
    taskQueue: QUEUES.workflow,
    args: [input],
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    staticSummary: `Segment ${input.scans.length} scan(s)`,
  });
  const ending = await followWorkflow<InferWorkflowResult>(id, platform, session);
  if ('failure' in ending) {
    tellFailure(id, ending.failure, platform);
    const { status, code, message, file } = ending.failure;
    if (json)
      process.stdout.write(`${JSON.stringify({ run: id, status, masks: [], failure: { code, message, file } })}\n`);
    return EXIT.failed;
  }
  const masks = [];
  for (const [at, { mask, foregroundVoxels, prompts }] of ending.result.masks.entries()) {
    const output = outputs[at]!;
    await writeOutput(output, await platform.artifacts.get(mask));
    say(`${pc.bold(output.path)}  ${foregroundVoxels} voxels, boxes by \`${prompts}\``);
    masks.push({ scan: output.scan, mask: output.path, foregroundVoxels, prompts });
  }
  if (json) process.stdout.write(`${JSON.stringify({ run: id, status: 'completed', masks })}\n`);
  return EXIT.ok;
}

/** Puts a scan into the store, under a key made of its content: nobody has to tell who the patient is. */
async function upload({ path, files }: Scan, { artifacts }: Platform): Promise<InferWorkflowInput['scans'][number]> {
  const image: PatientFiles['image'] = [];
  for (const file of files) {
    const ref: ArtifactRef = await artifacts.put('scan', await readFile(file));
    image.push({ name: basename(file), path: files.length > 1 ? join(path, basename(file)) : path, ref });
  }
  const digest = createHash('sha256').update(image.map(({ ref }) => ref.sha256).join());
  const patient = `p-${digest.digest('hex').slice(0, 12)}`;
  const record: PatientFiles = { patient, image, mask: null, labels: null };
  return { patient, files: await artifacts.putJson('patient-files', record) };
}
