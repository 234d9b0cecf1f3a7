import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { prepareRun } from '../../cli/config/prepare.ts';
import { checkConfig } from '../../cli/config/read-config.ts';
import type { Platform } from '../../cli/dev/platform.ts';
import { freshFrom, settingsTable, startRun } from '../../cli/start-run.ts';
import type { PipelineInput } from '../../contracts/pipeline.ts';
import { assertRejectsWithFault } from '../helpers/faults.ts';

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

describe('starting a run that is at work', () => {
  /** A server at which the run is open, and was started to work again from a stage on, or not. */
  async function start(openFrom: string | null, from: Parameters<typeof freshFrom>[0]): Promise<boolean> {
    const memo = openFrom === null ? {} : { samflowFrom: openFrom };
    const handle = { describe: async () => ({ status: { name: 'RUNNING' }, memo }) };
    const client = { workflow: { getHandle: () => handle, start: async () => handle } };
    const { config, settings } = await prepareRun(checkConfig(CONFIG, 'run.yaml'));
    const fresh = freshFrom(from);
    const input = { name: config.name, target: 'lungs', settings, ...(fresh && { fresh }) } as PipelineInput;
    return (await startRun('lungs-1', input, { client } as unknown as Platform)).resumed;
  }

  it('joins it, also where both are to work again from one stage on', async () => {
    assert.equal(await start(null, undefined), true);
    assert.equal(await start('encode', undefined), true);
    assert.equal(await start('encode', 'encode'), true);
  });

  it('is refused where it does less than was asked for', async () => {
    const message = /^lungs-1: found a run at work, .* done again from encode on/;
    await assertRejectsWithFault(start(null, 'encode'), 'RUN_AT_WORK', message);
    await assertRejectsWithFault(start('report', 'encode'), 'RUN_AT_WORK', message);
  });
});
