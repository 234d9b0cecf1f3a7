import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { auditOf, promotionLine, scheduleLine } from '../../cli/audit.ts';
import { readHistory } from '../helpers/history.ts';

type Events = Parameters<typeof auditOf>[1];
const RUN = { workflow: 'a-run', run: 'r', type: 'pipelineWorkflow' };
const eventTime = { seconds: 1_767_225_600, nanos: 250_000_000 };
/** Events as the client gives them; the other fields of each are of no matter here. */
const actionsOf = (events: readonly object[]): [string, string][] =>
  auditOf(RUN, events.map((event) => ({ eventTime, ...event })) as unknown as Events).map((line) => [
    line.action,
    line.identity,
  ]);

describe('an audit', () => {
  it('tells who started, cancelled, ended and told a run what, and nothing of what was said with it', () => {
    const input = { payloads: [{ data: Buffer.from('a secret') }] };
    const events = [
      { workflowExecutionStartedEventAttributes: { identity: 'samflow:ann@desk', input } },
      { activityTaskScheduledEventAttributes: { activityType: { name: 'download' }, input } },
      { workflowExecutionSignaledEventAttributes: { signalName: 'pause', identity: 'samflow:bob@desk', input } },
      {
        workflowExecutionUpdateAcceptedEventAttributes: {
          acceptedRequest: { meta: { identity: 'samflow:eve@desk' }, input: { name: 'extend', args: input } },
        },
      },
      { workflowExecutionCancelRequestedEventAttributes: { identity: 'samflow:bob@desk' } },
      { workflowExecutionTerminatedEventAttributes: { identity: 'operator', reason: 'why' } },
    ];
    assert.deepEqual(actionsOf(events), [
      ['start', 'samflow:ann@desk'],
      ['signal pause', 'samflow:bob@desk'],
      ['update extend', 'samflow:eve@desk'],
      ['cancel', 'samflow:bob@desk'],
      ['terminate', 'operator'],
    ]);
  });

  it('says when, and of which run', () => {
    const [line] = auditOf(RUN, [{ eventTime, workflowExecutionStartedEventAttributes: {} }] as unknown as Events);
    assert.deepEqual(line, { time: '2026-01-01T00:00:00.250Z', ...RUN, action: 'start', identity: '' });
  });

  it('tells who has made a schedule, where it knows', () => {
    const made = scheduleLine('retrain-liver', new Date('2026-01-02T03:04:05.000Z'), 'samflow:ann@desk');
    assert.deepEqual(
      [made.time, made.action, made.identity],
      ['2026-01-02T03:04:05.000Z', 'create', 'samflow:ann@desk'],
    );
    assert.equal(scheduleLine('retrain-liver', new Date(0), undefined).identity, '');
  });

  it('tells who has said yes to a model', () => {
    const ref = { kind: 'model-package', key: 'k', sha256: 's', bytes: 1 };
    const promotion = { by: 'samflow:bob@desk', author: 'samflow:ann@desk', at: '2026-01-02T03:04:05.000Z' };
    const champion = { package: ref, run: 'a-run', seen: { fingerprint: '', settings: '' } };
    assert.deepEqual(promotionLine('liver', { ...champion, promotion: { ...promotion, metrics: 'm', before: null } }), {
      ...{ time: promotion.at, workflow: 'a-run', run: '', type: 'model' },
      ...{ action: 'promote liver', identity: 'samflow:bob@desk' },
    });
  });

  it('reads what a server has recorded', () => {
    const text = readFileSync(new URL('../histories/pipeline.json', import.meta.url), 'utf8');
    const { events } = readHistory(text) as { events: Events };
    const lines = auditOf(RUN, events);
    assert.equal(lines[0]?.action, 'start');
    assert.match(lines[0].time, /^2026-\d\d-\d\dT/);
    assert.ok(lines.length < events.length / 10);
  });
});
