import { ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy } from '@temporalio/client';
import Table from 'cli-table3';
import pc from 'picocolors';
import { WORKFLOWS } from '../../contracts/messages.ts';
import type { RetrainResult } from '../../contracts/pipeline.ts';
import { QUEUES } from '../../contracts/queues.ts';
import { Fault } from '../../lib/fault.ts';
import type { retrainWorkflow } from '../../workflows/retrain.ts';
import { clientIdentity } from '../client-identity.ts';
import { prepareRun } from '../config/prepare.ts';
import { readConfig } from '../config/read-config.ts';
import { parseTime } from '../config/time.ts';
import { EXIT } from '../exit-codes.ts';
import { followWorkflow } from '../follow-run.ts';
import { type Session, withSession } from '../session.ts';
import { pipelineInput } from '../start-run.ts';
import { tableStyle } from '../table-style.ts';
import { tellRetrain } from '../tell-ended.ts';
import { unverifiedSource } from '../unverified-source.ts';

/** Schedules of ours. */
export const PREFIX = 'retrain-';
/** Of a schedule's memo: who has made it. */
export const AUTHOR = 'samflowAuthor';
/** After an outage only what was due within this time is made up for; the server's default is a year. */
const CATCH_UP = '2h';
/** A fingerprint takes seconds: many schedules of one hour should still not start in one moment. */
const JITTER = '1m';

export interface CreateOptions {
  readonly every?: string;
  readonly cron?: string;
  readonly set?: readonly string[];
  readonly promotion: 'automatic' | 'approval';
}

/** `samflow schedule create CONFIG --every 1d`: looks at the data that often, and retrains when they have changed. */
export async function createScheduleCommand(
  file: string,
  { every, cron, set, promotion }: CreateOptions,
): Promise<number> {
  if ((every === undefined) === (cron === undefined)) {
    const fix = 'Give e.g. --every 1d, or --cron "0 3 * * *" (UTC)';
    throw new Fault('USAGE', { at: '--every and --cron', found: 'both or neither', expected: 'one of them', fix });
  }
  const interval = every === undefined ? null : parseTime('--every', every);
  const prepared = await prepareRun(await readConfig(file, set));
  if (prepared.settings.split.folds !== undefined) {
    const details = { found: 'a cross-validation', expected: 'one run, whose model can serve' };
    throw new Fault('CONFIG', { at: 'split.folds', ...details, fix: 'Leave the key out' });
  }
  return withSession({ workers: false }, async ({ platform, say }) => {
    const scheduleId = PREFIX + prepared.config.name;
    const author = clientIdentity();
    const approval = promotion === 'approval' && { approval: { author } };
    try {
      await platform.client.schedule.create<typeof retrainWorkflow>({
        scheduleId,
        spec: {
          ...(interval === null ? { cronExpressions: [cron!] } : { intervals: [{ every: interval }] }),
          timezone: 'UTC',
          jitter: JITTER,
        },
        memo: { [AUTHOR]: author },
        policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCH_UP },
        action: {
          type: 'startWorkflow',
          workflowType: WORKFLOWS.retrain,
          workflowId: scheduleId,
          taskQueue: QUEUES.workflow,
          args: [{ ...(await pipelineInput(prepared, platform)), ...approval }],
          staticSummary: `Retrain ${prepared.config.name} when its data change`,
        },
      });
    } catch (error) {
      if (cron !== undefined && error instanceof TypeError) throw badCron(cron, error);
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      const fix = `Delete it first: samflow schedule delete ${prepared.config.name}`;
      const details = { found: 'a schedule of this name', expected: 'a new name', fix };
      throw new Fault('SCHEDULE_EXISTS', { at: prepared.config.name, ...details });
    }
    say(`Scheduled ${prepared.config.name}.`);
    const unverified = unverifiedSource(prepared.config.source);
    if (unverified) say(pc.yellow(unverified));
    if (platform.embedded) say('It is looked at while `samflow dev` runs.');
    return EXIT.ok;
  });
}

/** `samflow schedule list` */
export const listSchedulesCommand = ({ json }: { readonly json?: boolean }): Promise<number> =>
  withSession({ json, workers: false }, async ({ platform, say }) => {
    const schedules = [];
    for await (const { scheduleId } of platform.client.schedule.list()) {
      if (!scheduleId.startsWith(PREFIX)) continue;
      const { info, state } = await platform.client.schedule.getHandle(scheduleId).describe();
      schedules.push({
        name: scheduleId.slice(PREFIX.length),
        next: state.paused ? null : (info.nextActionTimes[0]?.toISOString() ?? null),
        last: info.recentActions.at(-1)?.takenAt.toISOString() ?? null,
        runs: info.numActionsTaken,
      });
    }
    const table = new Table({ head: ['schedule', 'next (UTC)', 'last (UTC)', 'runs'], ...tableStyle() });
    for (const { name, next, last, runs } of schedules) {
      table.push([name, next ? toMinute(next) : 'paused', last ? toMinute(last) : 'never', runs]);
    }
    say(
      schedules.length > 0
        ? table.toString()
        : 'No schedule yet: make one with `samflow schedule create CONFIG --every 1d`.',
    );
    if (json) process.stdout.write(`${JSON.stringify({ schedules })}\n`);
    return EXIT.ok;
  });

/** `2026-01-31 03:00` of an ISO 8601 time. */
const toMinute = (iso: string): string => iso.slice(0, 16).replace('T', ' ');

/** `samflow schedule trigger NAME`: looks now, and follows what comes of it. */
export const triggerScheduleCommand = (name: string, { json }: { readonly json?: boolean }): Promise<number> =>
  withSession({ json }, async (session) => {
    const { platform } = session;
    const handle = platform.client.schedule.getHandle(PREFIX + name);
    const before = await describe(name, session);
    // Without a word a trigger would run beside one that is at work already.
    await handle.trigger(ScheduleOverlapPolicy.SKIP);
    const id = await startedBy(name, before, session);
    return tellRetrain(id, await followWorkflow<RetrainResult>(id, platform, session), session);
  });

/** `samflow schedule delete NAME`: no further looks; models and runs stay. */
export const deleteScheduleCommand = (name: string): Promise<number> =>
  withSession({ workers: false }, async (session) => {
    await describe(name, session);
    await session.platform.client.schedule.getHandle(PREFIX + name).delete();
    session.say(`Deleted ${name}.`);
    return EXIT.ok;
  });

async function describe(name: string, { platform }: Session) {
  try {
    return await platform.client.schedule.getHandle(PREFIX + name).describe();
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
    const details = { found: 'no schedule of this name', expected: 'one of `samflow schedule list`' };
    throw new Fault('SCHEDULE_UNKNOWN', { at: name, ...details, fix: 'Create it with `samflow schedule create`' });
  }
}

type Description = Awaited<ReturnType<typeof describe>>;

/** The workflow that a trigger has started, or the one that was at work and made it skip. */
async function startedBy(name: string, before: Description, session: Session): Promise<string> {
  const running = before.info.runningActions[0];
  if (running) return running.workflow.workflowId;
  for (;;) {
    session.signal.throwIfAborted();
    const { info } = await describe(name, session);
    const latest = info.recentActions.at(-1);
    if (info.numActionsTaken > before.info.numActionsTaken && latest) return latest.action.workflow.workflowId;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The server alone knows what an expression may be; the client makes a TypeError of what it says. */
function badCron(cron: string, cause: TypeError): Fault {
  const details = { at: '--cron', found: `\`${cron}\` (${cause.message})`, expected: 'a cron expression, in UTC' };
  return new Fault('USAGE', { ...details, fix: 'Write e.g. --cron "0 3 * * *" for three in the morning' }, { cause });
}
