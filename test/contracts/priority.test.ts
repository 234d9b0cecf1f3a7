import assert from 'node:assert/strict';
import { it } from 'node:test';
import { INFERENCE_PRIORITY, PRIORITIES, priorityOf } from '../../contracts/priority.ts';

it('a run stands behind every inference, before those of a lower priority, and beside those of other names', () => {
  const keys = PRIORITIES.map((priority) => priorityOf('lungs', priority).priorityKey!);
  assert.deepEqual([INFERENCE_PRIORITY.priorityKey!, ...keys.reverse()], [1, 2, 3, 4]);
  assert.deepEqual(priorityOf('lungs'), { priorityKey: 3, fairnessKey: 'lungs' });
});
