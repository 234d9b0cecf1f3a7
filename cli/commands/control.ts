import { WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError } from '@temporalio/client';
import { ApplicationFailure, WorkflowNotFoundError } from '@temporalio/common';
import { MESSAGES, WORKFLOWS } from '../../contracts/messages.ts';
import type { ControlState } from '../../contracts/pipeline.ts';
import { Fault } from '../../lib/fault.ts';
import type { Platform } from '../dev/platform.ts';
import { EXIT } from '../exit-codes.ts';
import { endedRun, requireOpen } from '../find-run.ts';
import { withSession } from '../session.ts';

/** An update is answered by the io worker, which may only just start. */
const ANSWER_MS = 30_000;

/** Those that train, or start what does. */
const TRAINING: readonly string[] = [WORKFLOWS.pipeline, WORKFLOWS.retrain, WORKFLOWS.crossValidate];

export const pauseCommand = (run: string): Promise<number> =>
  control(
    run,
    MESSAGES.pause,
    [],
    () => `${run} is paused; what is at work ends first. Go on with \`samflow resume ${run}\`.`,
  );

export const resumeCommand = (run: string): Promise<number> =>
  control(run, MESSAGES.resume, [], () => `${run} goes on.`);

export const stopCommand = (run: string): Promise<number> =>
  control(run, MESSAGES.stop, [], ({ paused, told }, type) =>
    [
      `The training of ${told?.join(', ') ?? run} ends with the epochs that are done, at least one, and the best weights are kept.`,
      ...(type === WORKFLOWS.crossValidate ? ['Folds whose training has not begun are trained as planned.'] : []),
      ...(paused ? ['The run is paused: it does so when it is resumed.'] : []),
    ].join('\n'),
  );

export const extendCommand = (run: string, { epochs }: { readonly epochs: string }): Promise<number> => {
  const to = Number(epochs);
  if (!/^\d+$/.test(epochs) || to < 1) {
    const fix = 'Say how many epochs there are to be in all, e.g. --epochs 60';
    throw new Fault('USAGE', { at: '--epochs', found: `\`${epochs}\``, expected: 'a whole number', fix });
  }
  return control(run, MESSAGES.extend, [to], (_, type) =>
    [
      `The training of ${run} goes on to ${to} epochs.`,
      ...(type === WORKFLOWS.crossValidate ? ['Folds whose training has ended stay as they are.'] : []),
    ].join('\n'),
  );
};

/** Asks a run for something, and says what came of it. @throws Fault RUN_UNKNOWN, RUN_ENDED, RUN_REFUSED, RUN_SILENT */
const control = (
  run: string,
  message: string,
  args: unknown[],
  sentence: (state: ControlState, type: string) => string,
): Promise<number> =>
  withSession({}, async ({ platform, say }) => {
    const { type } = await requireOpen(run, platform);
    if (!TRAINING.includes(type)) throw refused(run, 'a workflow that trains nothing', 'a run, or what starts runs');
    say(sentence(await ask(run, message, args, platform), type));
    return EXIT.ok;
  });

async function ask(run: string, message: string, args: unknown[], { client }: Platform): Promise<ControlState> {
  const handle = client.workflow.getHandle(run);
  try {
    return await client.withDeadline(Date.now() + ANSWER_MS, () =>
      handle.executeUpdate<ControlState, [unknown, ...unknown[]]>(message, { args: args as [unknown, ...unknown[]] }),
    );
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw endedRun(run, 'an ended run');
    const cause = error instanceof WorkflowUpdateFailedError ? error.cause : null;
    if (cause instanceof ApplicationFailure)
      throw refused(run, cause.message, 'a run that this can be asked of', error);
    if (!(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) throw error;
    throw new Fault(
      'RUN_SILENT',
      {
        at: run,
        found: `no answer in ${ANSWER_MS / 1000} s`,
        expected: 'an io worker, which runs the workflow',
        fix: 'Start one with `samflow worker --pool io`, and ask again',
      },
      { cause: error },
    );
  }
}

function refused(run: string, found: string, expected: string, cause?: unknown): Fault {
  const fix = `Look at it with \`samflow status ${run}\``;
  return new Fault('RUN_REFUSED', { at: run, found, expected, fix }, { cause });
}
