import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { prepareRun } from '../../cli/config/prepare.ts';
import { checkConfig } from '../../cli/config/read-config.ts';
import { settingsTable } from '../../cli/start-run.ts';

const CONFIG = `
name: lungs
device: cuda:1
source: { kind: phantom }
dataset: { target: lungs, pattern: { image: 'IMG_{patient}.nii.gz', mask: 'MASK_{patient}.nii.gz' } }
`;

describe('the settings of a run in the Web UI', () => {
  it('are a row for each key of a section, and one for a setting that is a single word', async () => {
    const { settings } = await prepareRun(checkConfig(CONFIG, 'run.yaml'));
    const rows = settingsTable(settings).split('\n');
    assert.deepEqual(
      rows.filter((row) => row.startsWith('| device')),
      ['| device | `"cuda:1"` |'],
    );
    assert.ok(rows.includes('| split.seed | `7` |'));
    assert.ok(rows.includes('| slices.window | `"soft-tissue"` |'));
  });
});
