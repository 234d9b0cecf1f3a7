import { EXIT } from '../exit-codes.ts';
import { isKnown, unknownRun } from '../find-run.ts';
import { endingOf } from '../follow-run.ts';
import { withSession } from '../session.ts';

/** `samflow cancel RUN`: ends a run for good; what it has made is kept. */
export const cancelCommand = (run: string): Promise<number> =>
  withSession({}, async ({ platform, say }) => {
    if (!(await isKnown(run, platform))) throw unknownRun(run);
    await platform.client.workflow.getHandle(run).cancel();
    const ending = await endingOf(run, platform);
    say('failure' in ending ? ending.failure.message : `${run} had ended before.`);
    return EXIT.ok;
  });
