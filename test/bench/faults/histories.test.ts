import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { type Kept, replayed, retriesIn } from '../../../bench/faults/histories.ts';
import { readHistory } from '../../helpers/history.ts';

const text = readFileSync(new URL('../../histories/pipeline.json', import.meta.url), 'utf8');
const kept = (json: string): Kept => {
  const { workflowId } = JSON.parse(text).events[0].workflowExecutionStartedEventAttributes;
  return { id: workflowId, history: readHistory(json) as Kept['history'] };
};

describe('the history of a run after its fault', () => {
  it('replays, or one sentence says of which workflow it does not', async () => {
    assert.deepEqual(await replayed([kept(text)]), []);
    const [sentence, ...others] = await replayed([kept(text), kept(text.replace('"download"', '"upload"'))]);
    assert.match(sentence!, /^the history of \S+ does not replay: /);
    assert.deepEqual(others, []);
  });

  it('tells how often activities were tried again', () => {
    assert.equal(retriesIn([kept(text)]), 0);
    const again = JSON.parse(text);
    const started = again.events.filter((event: object) => 'activityTaskStartedEventAttributes' in event);
    started[0].activityTaskStartedEventAttributes.attempt = 3;
    started[1].activityTaskStartedEventAttributes.attempt = 2;
    assert.equal(retriesIn([kept(JSON.stringify(again))]), 3);
  });
});
