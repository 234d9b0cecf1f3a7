import { collect } from '../../lib/artifacts/collect.ts';
import { beginDeletion, endDeletion } from '../../lib/artifacts/deletions.ts';
import { type GcPlan, planGc } from '../../lib/artifacts/gc.ts';
import type { ObjectStore } from '../../lib/artifacts/store.ts';
import { Fault } from '../../lib/fault.ts';
import { clientIdentity } from '../client-identity.ts';
import { parseTime } from '../config/time.ts';
import { EXIT } from '../exit-codes.ts';
import { renderGc, sum, type Tally, tally } from '../gc-text.ts';
import { openWork } from '../open-work.ts';
import { withSession } from '../session.ts';

export interface GcOptions {
  readonly keep?: string;
  readonly keepLast?: string;
  readonly grace: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** `samflow gc --keep 30d`: what nothing refers to. A dry run, unless `--yes` is given. */
export async function gcCommand({ keep, keepLast, grace, yes = false, json }: GcOptions): Promise<number> {
  if (keep === undefined && keepLast === undefined) {
    const details = { found: 'neither', expected: 'which runs to keep', fix: 'Give e.g. --keep 30d or --keep-last 5' };
    throw new Fault('USAGE', { at: '--keep and --keep-last', ...details });
  }
  const policy = {
    ageMs: keep === undefined ? null : parseTime('--keep', keep),
    last: keepLast === undefined ? null : parseCount(keepLast),
    graceMs: grace === '0' ? 0 : parseTime('--grace', grace),
  };
  return withSession({ json, workers: false }, async ({ platform, signal, say }) => {
    const { store } = platform;
    const plan = await planGc(store, policy, await openWork(platform));
    const work = async () => openWork(platform);
    const collected = () => recorded(store, plan, () => collect(store, plan, work, { signal }));
    const gone = yes && plan.doomed.length > 0 ? await collected() : plan.doomed;
    const tallies = tally(gone);
    say(renderGc(plan, tallies, yes));
    if (json) process.stdout.write(`${JSON.stringify(gcJson(plan, tallies, yes))}\n`);
    return EXIT.ok;
  });
}

/** What is collected has nothing that it is called by: the record says who did it, and how much. */
async function recorded<T>(store: ObjectStore, { doomed }: GcPlan, work: () => Promise<T>): Promise<T> {
  const bytes = doomed.reduce((all, item) => all + item.bytes, 0);
  const pending = { taken: [], released: [] };
  const deletion = { runs: [], patient: null, by: clientIdentity(), objects: doomed.length, bytes, pending };
  const record = await beginDeletion(store, deletion);
  const result = await work();
  await endDeletion(store, record);
  return result;
}

const gcJson = ({ keptRuns, staying }: GcPlan, kinds: readonly Tally[], isDeleted: boolean): object => ({
  deleted: isDeleted,
  runs: keptRuns,
  kinds,
  objects: sum(kinds, 'objects'),
  bytes: sum(kinds, 'bytes'),
  staying,
});

function parseCount(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  const details = { found: `\`${text}\``, expected: 'a whole number', fix: 'Write e.g. --keep-last 5' };
  throw new Fault('USAGE', { at: '--keep-last', ...details });
}
