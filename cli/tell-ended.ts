import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pc from 'picocolors';
import type { z } from 'zod';
import { CrossValidationResult } from '../contracts/cross-validation.ts';
import { WORKFLOWS } from '../contracts/messages.ts';
import { InferWorkflowResult, PipelineResult, RetrainResult } from '../contracts/pipeline.ts';
import { Fault } from '../lib/fault.ts';
import { EXIT } from './exit-codes.ts';
import { type Ending, endingOf, tellEnding, tellFailed } from './follow-run.ts';
import type { Session } from './session.ts';

/** How a closed workflow of any kind ended, long after the command that started it. Returns the exit code. */
export async function tellEnded(id: string, type: string, session: Session): Promise<number> {
  const ending = await endingOf<unknown>(id, session.platform);
  switch (type) {
    case WORKFLOWS.pipeline:
      return tellEnding(id, read(PipelineResult, ending, id), session.platform, session);
    case WORKFLOWS.crossValidate:
      return tellEnding(id, read(CrossValidationResult, ending, id), session.platform, session);
    case WORKFLOWS.infer:
      return tellMasks(id, read(InferWorkflowResult, ending, id), session);
    case WORKFLOWS.retrain:
      return tellRetrain(id, read(RetrainResult, ending, id), session);
    default:
      // A part of a run, whose stages say all there is to say.
      if ('failure' in ending) return tellFailed(id, ending.failure, session);
      if (session.json) process.stdout.write(`${JSON.stringify({ run: id, status: 'completed' })}\n`);
      return EXIT.ok;
  }
}

/** Another version may have written it. @throws Fault ARTIFACT_FORMAT */
function read<T>(schema: z.ZodType<T>, ending: Ending<unknown>, at: string): Ending<T> {
  if ('failure' in ending) return ending;
  const parsed = schema.safeParse(ending.result);
  if (parsed.success) return { result: parsed.data };
  const found = 'a result that this version of samflow does not know';
  const fix = 'Look at it with the version that made it';
  throw new Fault('ARTIFACT_FORMAT', { at, found, expected: 'one of its own', fix }, { cause: parsed.error });
}

/** What a retraining came to; the same for the command that triggered it and for a look at it later. */
export function tellRetrain(id: string, ending: Ending<RetrainResult>, session: Session): number {
  const { json, say } = session;
  const none = { outcome: null, reason: null, champion: null, challenger: null, run: null };
  if ('failure' in ending) return tellFailed(id, ending.failure, session, { workflow: id, ...none });
  const { outcome, reason, run } = ending.result;
  say(`${pc.bold(outcome)}: ${reason}`);
  if (run) say(pc.dim(`Trained by ${run}`));
  if (json) process.stdout.write(`${JSON.stringify({ workflow: id, status: 'completed', ...ending.result })}\n`);
  return EXIT.ok;
}

/** Masks under the scans' pseudonyms: where `infer` put them, and what the scans were called, was known to it alone. */
async function tellMasks(id: string, ending: Ending<InferWorkflowResult>, session: Session): Promise<number> {
  const { platform, stateDir, json, say } = session;
  if ('failure' in ending) return tellFailed(id, ending.failure, session, { masks: [] });
  const folder = join(stateDir, 'runs', id);
  await mkdir(folder, { recursive: true });
  const masks = [];
  for (const { patient, mask, foregroundVoxels, prompts } of ending.result.masks) {
    const path = join(folder, `${patient}-mask.nii.gz`);
    await writeFile(path, await platform.artifacts.get(mask));
    say(`${pc.bold(path)}  ${foregroundVoxels} voxels, boxes by \`${prompts}\``);
    masks.push({ patient, mask: path, foregroundVoxels, prompts });
  }
  if (json) process.stdout.write(`${JSON.stringify({ run: id, status: 'completed', masks })}\n`);
  return EXIT.ok;
}
