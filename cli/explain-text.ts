import type { Difference } from '../lib/artifacts/differences.ts';
import type { InputChange, Reason, StageAccount } from '../lib/artifacts/explain.ts';
import type { InnerRun } from '../lib/artifacts/inner-runs.ts';
import type { FirstDifference } from '../lib/artifacts/why.ts';
import { age } from './age.ts';

/** So many parameters are named; `--json` has them all. */
const NAMED = 3;

/** A line for each stage of a run, and one for each reason why it worked. */
export function renderAccounts(stages: readonly StageAccount[], run: string, nowMs: number): string {
  const width = Math.max(...stages.map(({ stage }) => stage.length));
  return stages
    .flatMap(({ stage, ran, reused, reasons, madeBy }) => {
      const lines = reasons.map(({ results, reason }) => {
        const share = ran + reused > 1 ? ` ${results} of ${ran + reused}` : '';
        return `ran${share}: ${reasonText(reason, nowMs)}`;
      });
      if (reused > 0) {
        const share = ran > 0 ? ` ${reused} of ${ran + reused}` : '';
        lines.push(`reused${share}${madeText(madeBy, run, nowMs)}`);
      }
      return lines.map((line, at) => `${(at === 0 ? stage : '').padEnd(width)}  ${line}`);
    })
    .join('\n');
}

/** A line for each run inside. */
export function renderInnerRuns(runs: readonly InnerRun[]): string {
  const nameOf = ({ run }: InnerRun): string => run.split('/').at(-1)!;
  const width = Math.max(0, ...runs.map((inner) => nameOf(inner).length));
  const lines = runs.map((inner) => `${nameOf(inner).padEnd(width)}  ${innerText(inner)}`);
  const [first] = runs;
  return [...lines, ...(first ? [`More of each: samflow explain ${first.run}`] : [])].join('\n');
}

function innerText({ isKnown, failed, ran, reused }: InnerRun): string {
  if (!isKnown) return 'no account: cancelled, at work, or not begun';
  const parts = [
    ...(failed ? [failedText(failed)] : []),
    ...(ran.length > 0 ? [`ran ${ran.join(', ')}`] : []),
    ...(reused.length > 0 ? [`reused ${reused.join(', ')}`] : []),
  ];
  return parts.join('; ');
}

/** How a run ended that did not end well, and what its account leaves out. */
export function renderEnd({
  failed,
  omitted,
}: {
  readonly failed: InnerRun['failed'];
  readonly omitted: number;
}): string {
  const text = failed && failedText(failed);
  return [
    ...(text
      ? [`${text.charAt(0).toUpperCase()}${text.slice(1)}; the stages above had ended, or part of them had.`]
      : []),
    ...(omitted > 0 ? [`${omitted} more results were used than are accounted for.`] : []),
  ].join('\n');
}

const failedText = ({ stage, code }: NonNullable<InnerRun['failed']>): string =>
  stage === null ? `failed [${code}]` : `failed in ${stage} [${code}]`;

function madeText(madeBy: StageAccount['madeBy'], run: string, nowMs: number): string {
  const names = madeBy.flatMap(({ run: maker, at }) =>
    maker ? `${maker === run ? 'this run' : maker}${at ? `, ${age(new Date(at), nowMs)}` : ''}` : [],
  );
  if (names.length === 0) return '';
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return `, made by ${names.slice(0, NAMED).join('; ')}${more}`;
}

function reasonText(reason: Reason, nowMs: number): string {
  switch (reason.why) {
    case 'new':
      return 'nothing like it was made before';
    case 'forced':
      return 'it was told to';
    case 'lost':
      return 'what it had made is gone from the store, or damaged';
    case 'changed': {
      const { version, parameters, inputs, than } = reason;
      const changes = [
        ...(version ? [`samflow's stage ${change(version)}`] : []),
        ...parameters.slice(0, NAMED).map(change),
        ...(parameters.length > NAMED ? [`${parameters.length - NAMED} more parameters`] : []),
        ...inputs.map(inputText),
      ];
      const made = than.run ? ` (against ${than.run}${than.at ? `, ${age(new Date(than.at), nowMs)}` : ''})` : '';
      return `${changes.join(', ') || 'it names the run'}${made}`;
    }
  }
}

const change = ({ path, before, after }: Difference): string => `${path} ${show(before)} → ${show(after)}`;

function inputText({ stage, kind, count }: InputChange): string {
  if (kind === null) return count === 1 ? 'other data' : `other data (${count})`;
  if (stage === null) return kind;
  const many = count === 1 ? '' : ` (${count})`;
  return stage === 'start' ? 'another description of the data set' : `other ${kind} of ${stage}${many}`;
}

/** The answer of `samflow why A B` as a sentence. */
export function differenceText(difference: FirstDifference, a: string, b: string): string {
  switch (difference.what) {
    case 'nothing':
      return 'Nothing differs: the two runs used the same results.';
    case 'parameter':
      return `${difference.stage}: ${change(difference.difference)}`;
    case 'version':
      return `${difference.stage}: samflow's stage ${change(difference.difference)}`;
    case 'patient': {
      const { patient, only } = difference;
      if (only === null) return `The data of patient ${patient} differ.`;
      return `Patient ${patient} is only in ${only === 'a' ? a : b}.`;
    }
    case 'input':
      return `${difference.stage}: ${inputText(difference.input)}`;
    case 'result': {
      const who = difference.patient === null ? '' : ` for patient ${difference.patient}`;
      return `${difference.stage}: the same was asked${who}, and another result came.`;
    }
    case 'end': {
      const ends = [
        ...(difference.a ? [`${a} ${failedText(difference.a)}`] : []),
        ...(difference.b ? [`${b} ${failedText(difference.b)}`] : []),
      ];
      const { settings } = difference;
      const changes = [...settings.slice(0, NAMED).map(change), ...(settings.length > NAMED ? ['…'] : [])];
      const also = changes.length > 0 ? ` Settings that differ: ${changes.join(', ')}.` : '';
      return `${ends.join('; ')}. In what both have done nothing differs.${also}`;
    }
  }
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
