import type { Again } from '../activities/activity.ts';
import type { Fresh } from '../contracts/memo.ts';
import { STAGES, type Stage } from '../contracts/queues.ts';

/** What the input of a stage's activities carries in a run that works again from a stage on: the token, or nothing. */
export const againFrom =
  (fresh: Fresh | undefined) =>
  (stage: Stage): Again =>
    fresh && STAGES.indexOf(stage) >= STAGES.indexOf(fresh.from) ? { fresh: fresh.token } : {};
