import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { type ListedRun, renderRuns } from '../../cli/runs-text.ts';

const NOW = Date.parse('2026-01-02T12:00:00Z');
const RUN: ListedRun = {
  ...{ run: 'phantom-lungs-0123456789ab', status: 'completed', stage: 'fine-tune', dice: 0.5 },
  started: '2026-01-02T11:01:00.000Z',
};
const LONG: ListedRun = {
  ...{ run: 'retrain-phantom-lungs-2026-01-02T11:00:00Z/pipeline', status: 'failed', stage: 'split', dice: null },
  started: '2026-01-02T11:59:30.000Z',
};
const shown = (runs: readonly ListedRun[], columns?: number): string[] =>
  stripVTControlCharacters(renderRuns(runs, NOW, columns)).split('\n');

describe('the list of runs', () => {
  it('is a table that fits eighty columns', () => {
    const lines = shown([RUN], 80);
    assert.deepEqual(
      lines[3]!.split('│').map((cell) => cell.trim()),
      ['', 'phantom-lungs-0123456789ab', 'completed', 'fine-tune', '0.500', '59 minutes ago', ''],
    );
    assert.ok(Math.max(...lines.map((line) => line.length)) <= 80, lines[0]);
  });

  it('has two lines for each run where the terminal is narrower than the table, so that no id is torn', () => {
    assert.deepEqual(shown([LONG, RUN], 80), [
      'retrain-phantom-lungs-2026-01-02T11:00:00Z/pipeline',
      '  failed  split  just now',
      'phantom-lungs-0123456789ab',
      '  completed  fine-tune  0.500  59 minutes ago',
    ]);
  });

  it('is a table of any width where there is no terminal', () => assert.match(shown([LONG])[3]!, /│ failed +│/));
});
