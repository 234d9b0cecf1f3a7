import { text } from 'node:stream/consumers';
import pc from 'picocolors';
import { Fault } from '../../lib/fault.ts';
import { carryOut, planPatientDeletion, planRunDeletion } from '../deletion.ts';
import { deletionJson, renderDeletion } from '../deletion-text.ts';
import { EXIT } from '../exit-codes.ts';
import { tally } from '../gc-text.ts';
import { withSession } from '../session.ts';

const VERSIONS =
  'The bucket keeps old versions of objects: what is deleted here stays there as such until its lifecycle rule, or its owner, deletes them.';

const VERSIONS_UNKNOWN =
  'Whether the bucket keeps old versions of objects could not be asked: it needs the right s3:GetBucketVersioning.';

export interface DeleteOptions {
  readonly patient?: string;
  readonly runs?: boolean;
  readonly models?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** `samflow delete RUN` or `--patient ID`: all that there is of it. A dry run, unless `--yes` is given. */
export async function deleteCommand(run: string | undefined, options: DeleteOptions): Promise<number> {
  const { patient, runs = false, models = false, yes = false, json } = options;
  if ((run === undefined) === (patient === undefined)) {
    const details = { found: 'both or neither', expected: 'one of them', fix: 'Name a run, or a patient' };
    throw new Fault('USAGE', { at: 'RUN and --patient', ...details });
  }
  if (runs && patient === undefined) {
    const details = { found: 'a run', expected: '--patient', fix: 'Leave --runs out' };
    throw new Fault('USAGE', { at: '--runs', ...details });
  }
  const id = patient === '-' ? (await text(process.stdin)).trim() : patient;
  return withSession({ json, workers: false }, async (session) => {
    const { platform, say } = session;
    const deletion =
      id === undefined
        ? await planRunDeletion(run!, models, platform)
        : await planPatientDeletion(id, { withRuns: runs, withModels: models }, session);
    const { gone, isForgotten } = yes
      ? await carryOut(deletion, session)
      : { gone: deletion.plan.doomed, isForgotten: true };
    const kinds = tally(gone);
    say(renderDeletion(deletion, kinds, yes));
    const keepsVersions = await platform.store.keepsVersions?.();
    if (keepsVersions) say(pc.yellow(VERSIONS));
    else if (keepsVersions === null && !platform.embedded) say(pc.yellow(VERSIONS_UNKNOWN));
    if (!isForgotten)
      say(pc.yellow('Temporal is still deleting histories: give the command again to see that they are gone.'));
    if (json) process.stdout.write(`${JSON.stringify(deletionJson(deletion, kinds, yes))}\n`);
    return EXIT.ok;
  });
}
