import pc from 'picocolors';
import type { PlannedDeletion } from './deletion.ts';
import { count, renderTallies, sum, type Tally } from './gc-text.ts';

/** What goes or went, and what cannot go, for people: runs and pseudonyms, no name. */
export function renderDeletion(deletion: PlannedDeletion, kinds: readonly Tally[], isDeleted: boolean): string {
  const { subject, trace, plan, executions } = deletion;
  const histories = executions.length > 0 ? ` ${count(executions.length, 'history', 'histories')} of Temporal` : '';
  const verb = isDeleted ? 'went with it' : 'would go with it';
  return [
    pc.bold(trace ? trace.patients.join(', ') : subject.runs.join(', ')),
    ...(kinds.length > 0 ? [renderTallies(kinds, isDeleted)] : ['Nothing is left in the store.']),
    ...(histories ? [`And${histories} ${verb}.`] : []),
    ...(plan.models.length > 0 ? [`Models that go: ${plan.models.join(', ')}.`] : []),
    ...(subject.runs.length > 0 && plan.shared.objects > 0
      ? [`${count(plan.shared.objects, 'object')} of it stay: others refer to them.`]
      : []),
    ...(trace ? patientLines(deletion, isDeleted) : []),
  ].join('\n');
}

function patientLines({ subject, trace, earlier }: PlannedDeletion, isDeleted: boolean): string[] {
  const { patients, learned, tested, models, shared, unfinished } = trace!;
  const stays = learned.filter((run) => !subject.runs.some((root) => run === root || run.startsWith(`${root}/`)));
  return [
    ...(patients.length > 1 ? ['The very same scan lay there under each of these pseudonyms.'] : []),
    ...(stays.length > 0
      ? [
          pc.yellow(`Weights cannot forget. These runs have learned from the patient: ${stays.join(', ')}.`),
          `Their weights and models stay${models.length > 0 ? `, among them ${models.join(', ')}` : ''}; --runs deletes them too.`,
        ]
      : []),
    ...(tested.length > 0
      ? [`These were tested on the patient; their scores and reports go: ${tested.join(', ')}.`]
      : []),
    ...(shared > 0 ? [`${count(shared, 'object')} stay: another patient has the same bytes.`] : []),
    ...(unfinished > 0
      ? [
          `${count(unfinished, 'training')} without a result may have learned from anybody: \`samflow gc\` deletes their checkpoints.`,
        ]
      : []),
    ...(isDeleted || earlier.length === 0 ? [] : ['It was begun before.']),
    'What the source still holds of the patient comes back with the next run: take it out there first.',
  ];
}

export const deletionJson = (
  { subject, trace, plan, executions }: PlannedDeletion,
  kinds: readonly Tally[],
  isDeleted: boolean,
): object => ({
  deleted: isDeleted,
  runs: subject.runs,
  patients: trace?.patients ?? [],
  learned: trace?.learned ?? [],
  tested: trace?.tested ?? [],
  models: trace?.models ?? plan.models,
  histories: executions.length,
  kinds,
  objects: sum(kinds, 'objects'),
  bytes: sum(kinds, 'bytes'),
});
