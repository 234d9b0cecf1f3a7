import pc from 'picocolors';
import type { StageProgress } from '../../contracts/pipeline.ts';
import type { Snapshot } from './snapshot.ts';

/** Pictures of a run in text. Pure: the same snapshot, time and width give the same text. */

const BAR = 24;
const INDENT = '    ';
const SIGNS: Readonly<Record<StageProgress['state'], string>> = {
  pending: pc.dim('·'),
  running: pc.cyan('▸'),
  done: pc.green('✓'),
  reused: pc.green('✓'),
  failed: pc.red('✗'),
};

/** The live view: a line for each stage, one for the training, and what is amiss. */
export function renderLive(snapshot: Snapshot, nowMs: number, columns: number): string {
  const { stages, inner, training, notes } = snapshot;
  const linesOf = (stage: StageProgress, width: number): string[] => [
    stageLine(stage, nowMs),
    ...(stage.name === 'fine-tune' && stage.state === 'running' && training ? [trainingLine(training, width)] : []),
  ];
  const lines = stages.flatMap((stage) => {
    if (!inner || stage.state !== 'running') return linesOf(stage, columns);
    const working = inner.stages.filter(({ state }) => state === 'running');
    const within = working.flatMap((one) => linesOf(one, columns - INDENT.length));
    return [stageLine(stage, nowMs), INDENT + pc.dim(nameOf(inner)), ...within.map((line) => INDENT + line)];
  });
  for (const note of new Set(notes))
    lines.push(pc.yellow(`! ${note.replace(/\s+/g, ' ')}`.slice(0, Math.max(20, columns))));
  return lines.join('\n');
}

/** `fold-2` of `<run>/fold-2`. */
const nameOf = ({ run }: NonNullable<Snapshot['inner']>): string => run.split('/').at(-1)!;

/** Without its bar, and then without the step, where the terminal is too narrow: a broken line cannot be read at all. */
function trainingLine(training: NonNullable<Snapshot['training']>, columns: number): string {
  const { step, steps } = training;
  const text = trainingText(training);
  if (INDENT.length + BAR + 1 + text.length <= columns) return `${INDENT}${bar(step / steps)} ${text}`;
  const fits = INDENT.length + text.length <= columns;
  return INDENT + (fits ? text : text.replace(/ {2}step \S+/, ''));
}

function stageLine(stage: StageProgress, nowMs: number): string {
  const { name, state, done, total } = stage;
  const head = `${SIGNS[state]} ${state === 'pending' ? pc.dim(name.padEnd(10)) : name.padEnd(10)}`;
  if (state === 'pending') return head;
  return `${head} ${bar(total > 0 ? done / total : 0)} ${countText(stage)}  ${timeText(stage, nowMs)}`;
}

function bar(fraction: number): string {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * BAR);
  // Two characters: without colours (NO_COLOR, a captured text) one would look full from the start.
  return pc.cyan('━'.repeat(full)) + pc.dim('┄'.repeat(BAR - full));
}

const countText = ({ done, total }: StageProgress): string => `${done}/${total}`.padStart(7);

/** Seconds of this run; for what came from the store also what it took when it was made. */
export function timeText(stage: StageProgress, nowMs: number): string {
  const running = stage.startedAt === null ? 0 : Math.max(0, nowMs - stage.startedAt) / 1000;
  const seconds = stage.seconds ?? running;
  const text = `${seconds.toFixed(1)} s`.padStart(8);
  if (stage.state === 'reused') return `${text}  reused (took ${stage.workSeconds.toFixed(1)} s)`;
  return stage.reused > 0 ? `${text}  ${stage.reused} reused` : text;
}

export function trainingText(training: NonNullable<Snapshot['training']>): string {
  const { epoch, epochs, step, steps, trainLoss, valDice, secondsLeft } = training;
  return [
    `epoch ${epoch}/${epochs}`,
    `step ${step}/${steps}`,
    ...(trainLoss === null ? [] : [`loss ${trainLoss.toFixed(4)}`]),
    ...(valDice === null ? [] : [`Dice ${valDice.toFixed(3)}`]),
    ...(secondsLeft === null ? [] : [`${clock(secondsLeft)} left`]),
  ].join('  ');
}

export function clock(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}

/**
 * The plain view, for logs: the lines that this snapshot adds to the last one. Stages are told when they begin to count and
 * when they end, the training once an epoch.
 */
export function renderPlain(before: Snapshot | null, now: Snapshot): string[] {
  const { training, inner } = now;
  const lines = stageLines(before?.stages, now.stages);
  const same = inner?.run === before?.inner?.run ? before?.inner?.stages : undefined;
  if (inner) lines.push(...stageLines(same, inner.stages).map((line) => `${nameOf(inner)} ${line}`));
  const newEpoch = training && training.epoch !== before?.training?.epoch;
  const firstLoss = training && before?.training?.trainLoss == null && training.trainLoss !== null;
  if (training && (newEpoch || firstLoss)) {
    lines.push(`${inner ? `${nameOf(inner)} ` : ''}fine-tune: ${trainingText(training)}`);
  }
  for (const note of now.notes) {
    const kind = note.replace(/\d+/g, '');
    if (!before?.notes.some((old) => old.replace(/\d+/g, '') === kind)) lines.push(`! ${note}`);
  }
  return lines;
}

function stageLines(before: readonly StageProgress[] = [], now: readonly StageProgress[]): string[] {
  return now.flatMap((stage) => {
    const last = before.find(({ name }) => name === stage.name);
    const changed = last?.state !== stage.state || last.done !== stage.done;
    if (stage.state === 'pending' || !changed) return [];
    const time = stage.seconds === null ? '' : timeText(stage, 0).replace(/^ +/, ', ');
    const state = stage.state === 'failed' ? 'failed' : `${stage.done} of ${stage.total}`;
    return [`${stage.name}: ${state}${time}`];
  });
}
