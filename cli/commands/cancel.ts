import { EXIT } from '../exit-codes.ts';
import { requireOpen } from '../find-run.ts';
import { endingOf } from '../follow-run.ts';
import { withSession } from '../session.ts';

/** `samflow cancel RUN`: ends a run for good; what it has made is kept. */
export const cancelCommand = (run: string): Promise<number> =>
  withSession({}, async ({ platform, say }) => {
    await requireOpen(run, platform);
    await platform.client.workflow.getHandle(run).cancel();
    const ending = await endingOf(run, platform);
    say('failure' in ending ? ending.failure.message : `${run} ended by itself before it could hear of it.`);
    return EXIT.ok;
  });
