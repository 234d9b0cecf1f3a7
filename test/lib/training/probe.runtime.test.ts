import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { probeTrainingStep } from '../../../lib/training/probe.ts';
import { TINY_SETTINGS, tinyModel } from '../../helpers/tiny-model.ts';

describe('the probe of a training step', () => {
  it('takes some time, with whatever settings steps are made', async () => {
    const model = tinyModel();
    const settings = [
      TINY_SETTINGS,
      { ...TINY_SETTINGS, batchBoxes: 6, boxesPerImage: 3, accumulate: 2, loss: 'focal-dice' as const },
      { ...TINY_SETTINGS, train: { lora: 2 } },
    ];
    for (const one of settings) {
      const { secondsPerStep } = await probeTrainingStep(model, one, { threads: 1 });
      assert.ok(secondsPerStep > 0 && secondsPerStep < 20, String(secondsPerStep));
    }
  });
});
