import { defineSearchAttributeKey } from '@temporalio/common';
import { upsertSearchAttributes } from '@temporalio/workflow';
import { SEARCH_ATTRIBUTES, type SearchAttributeName } from '../contracts/search-attributes.ts';

/** Typed keys for `upsertSearchAttributes`. */
const key = <N extends SearchAttributeName>(name: N) => defineSearchAttributeKey(name, SEARCH_ATTRIBUTES[name]);

export const attributes = {
  name: key('SamflowName'),
  target: key('SamflowTarget'),
  model: key('SamflowModel'),
  stage: key('SamflowStage'),
  status: key('SamflowStatus'),
  dice: key('SamflowDice'),
  zeroShotDice: key('SamflowZeroShotDice'),
};

/** Makes a run findable in the Web UI by what it is about. */
export function announce({ name, target, model }: { name: string; target: string; model: string }): void {
  upsertSearchAttributes([
    { key: attributes.name, value: name },
    { key: attributes.target, value: target },
    { key: attributes.model, value: withoutFolders(model) },
    { key: attributes.status, value: 'running' },
  ]);
}

/** Of a path the last name alone: who may search need not know whose home folder a checkpoint lies in. */
function withoutFolders(checkpoint: string): string {
  if (/^(hf|s3):/i.test(checkpoint)) return checkpoint;
  return checkpoint.split(/[\\/]/).findLast((part) => part !== '') ?? checkpoint;
}
