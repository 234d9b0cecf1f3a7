import { LOST_WORKER } from '../contracts/failure-codes.ts';
import type { ControlState, Metrics, StageProgress, Trouble } from '../contracts/pipeline.ts';
import type { FineTuneProgress } from '../contracts/stages.ts';

/** What the Web UI shows of a workflow at work, in Markdown (it allows neither images nor HTML). */
export interface Details {
  readonly title: string;
  readonly stages: readonly StageProgress[];
  readonly metrics: Metrics | null;
  readonly training: FineTuneProgress | null;
  readonly control: ControlState | null;
  /** Attempts that come to nothing. */
  readonly trouble: Trouble | null;
  /** The failure's sentence. */
  readonly failure: string | null;
}

const SIGNS: Record<StageProgress['state'], string> = {
  pending: '·',
  running: '▶',
  done: '✓',
  reused: '✓ reused',
  failed: '✗ failed',
};

export function renderDetails({ title, stages, metrics, training, control, trouble, failure }: Details): string {
  const parts = [`### ${plain(title)}`];
  if (failure) parts.push(`**Failed.** ${plain(failure)}`);
  if (trouble) parts.push(troubleText(trouble));
  const asked = control && askedText(control);
  if (asked) parts.push(asked);
  parts.push(
    table(
      ['stage', 'state', 'done', 'seconds', 'work'],
      stages.map((stage) => [
        stage.name,
        SIGNS[stage.state],
        stage.total > 0 ? `${stage.done} of ${stage.total}` : '',
        stage.seconds === null ? '' : stage.seconds.toFixed(1),
        stage.done > 0 ? stage.workSeconds.toFixed(1) : '',
      ]),
    ),
  );
  const tuning = stages.find((stage) => stage.name === 'fine-tune');
  if (training && tuning?.state === 'running') parts.push(trainingLine(training));
  if (metrics) {
    parts.push(
      table(
        ['unseen patients', 'Dice', 'IoU'],
        [
          ['zero-shot', metrics.zeroShot.dice.toFixed(3), metrics.zeroShot.iou.toFixed(3)],
          ['fine-tuned', metrics.fineTuned.dice.toFixed(3), metrics.fineTuned.iou.toFixed(3)],
        ],
      ),
    );
  }
  return parts.join('\n\n');
}

function troubleText({ activity, attempt, sentence }: Trouble): string {
  const reason = sentence === null ? `It ended without a word: ${LOST_WORKER}.` : plain(sentence);
  return `**Attempt ${attempt} of ${activity}.** Of the one before it: ${reason}`;
}

function askedText({ paused, stopping, epochs }: ControlState): string {
  return [
    ...(paused ? ['**Paused.** Resume it by the signal `resume` or `samflow resume`.'] : []),
    ...(stopping ? ['The training was told to stop.'] : []),
    ...(epochs === null ? [] : [`The training was extended to ${epochs} epochs.`]),
  ].join(' ');
}

function trainingLine(training: FineTuneProgress): string {
  const { epoch, epochs, step, steps, trainLoss, valDice, secondsLeft } = training;
  return [
    `epoch **${epoch}** of ${epochs}`,
    `step ${step} of ${steps}`,
    trainLoss === null ? null : `loss **${trainLoss.toFixed(4)}**`,
    valDice === null ? null : `validation Dice **${valDice.toFixed(3)}**`,
    secondsLeft === null ? null : `${Math.ceil(secondsLeft)} s left`,
  ]
    .filter((part) => part !== null)
    .join(' · ');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Texts of users and libraries stay texts. */
function plain(text: string): string {
  return text.replace(/[\\`*_[\]<>|#]/g, '\\$&');
}
