import type { MetricMeter, MetricTags } from '@temporalio/common';
import type { WorkObserver } from '../activities/deps.ts';
import { kindOf, type ObserveRequests } from '../lib/artifacts/requests.ts';
import { METRICS } from './metric-table.ts';

/** How an attempt of an activity ended. */
export type StageOutcome = 'computed' | 'reused' | 'failed' | 'cancelled';

type MetricName = keyof typeof METRICS;
type Instruments = Readonly<Record<MetricName, (value: number, labels: MetricTags) => void>>;

/**
 * Counts what workers do, through the meter of the SDK's native core: our figures and the SDK's own come out at one address.
 * A connection that fails takes the core along, and the next makes another; so a meter is attached once there is a server.
 * What happens before is not counted.
 */
export class Metrics implements WorkObserver {
  #instruments: Instruments | null = null;
  /** When the training under way made its last step, and which. */
  #last: { readonly run: string; readonly step: number; readonly at: number } | null = null;

  attach(meter: MetricMeter): void {
    const names = Object.keys(METRICS) as MetricName[];
    this.#instruments = Object.fromEntries(names.map((name) => [name, instrumentOf(meter, name)])) as Instruments;
  }

  detach(): void {
    this.#instruments = null;
  }

  /** A negative value (a clock that was set back) or one that is no number would be refused by the meter: it is left out. */
  record(name: MetricName, value: number, labels: MetricTags = {}): void {
    if (value >= 0 && Number.isFinite(value)) this.#instruments?.[name](value, labels);
  }

  stage(stage: string, outcome: StageOutcome, seconds: number): void {
    this.record('stage', seconds, { stage, outcome });
  }

  encoded(slices: number): void {
    this.record('slices', slices);
  }

  waited(seconds: number): void {
    this.record('dataWait', seconds);
  }

  trained(run: string, { step, trainLoss, valDice }: Parameters<WorkObserver['trained']>[1]): void {
    const now = performance.now();
    const last = this.#last;
    this.#last = { run, step, at: now };
    this.record('steps', 1);
    if (last?.run === run && last.step === step - 1) this.record('step', (now - last.at) / 1000);
    if (trainLoss !== null) this.record('loss', trainLoss, { run });
    if (valDice !== null) this.record('dice', valDice, { run });
  }

  readonly requests: ObserveRequests = (operation) => {
    const start = performance.now();
    return (outcome) => {
      this.record('request', (performance.now() - start) / 1000, { operation, outcome: kindOf(outcome) });
      if (outcome.attempts > 1) this.record('retries', outcome.attempts - 1, { operation });
      if (outcome.sentBytes > 0) this.record('bytes', outcome.sentBytes, { operation, direction: 'sent' });
      if (outcome.receivedBytes > 0) this.record('bytes', outcome.receivedBytes, { operation, direction: 'received' });
    };
  };
}

function instrumentOf(meter: MetricMeter, name: MetricName): Instruments[MetricName] {
  const metric = METRICS[name];
  if (metric.kind === 'counter') {
    const counter = meter.createCounter(metric.name, '', metric.description);
    return (value, labels) => counter.add(value, labels);
  }
  if (metric.kind === 'gauge') {
    const gauge = meter.createGauge(metric.name, 'float', '', metric.description);
    return (value, labels) => gauge.set(value, labels);
  }
  const histogram = meter.createHistogram(metric.name, 'float', 'seconds', metric.description);
  return (value, labels) => histogram.record(value, labels);
}
