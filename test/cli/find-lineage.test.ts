import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { Platform } from '../../cli/dev/platform.ts';
import { findLineage, requireTraining } from '../../cli/find-lineage.ts';
import { lineageKey } from '../../contracts/lineage.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { isFault } from '../../lib/fault.ts';
import { SCANS, type TinyRun, tinyRun } from '../helpers/tiny-pipeline.ts';

describe('the account of a run', () => {
  let store: MemoryStore;
  let platform: Platform;
  let seconds: number;
  beforeEach(() => {
    [store, seconds] = [new MemoryStore(), 0];
    store.now = () => new Date(1e12 + 1e3 * seconds);
    platform = { store, artifacts: new ArtifactStore(store) } as unknown as Platform;
  });
  const run = (id: string, how: Partial<TinyRun> = {}) => {
    seconds += 1;
    return tinyRun(id, { scans: SCANS, ...how }, store);
  };

  it('is that of the last attempt that has ended, well or not', async () => {
    assert.equal(await findLineage('a', platform), null);
    await run('a', { fails: true });
    assert.equal((await findLineage('a', platform))?.failed?.stage, 'fine-tune');
    await run('a');
    assert.equal((await findLineage('a', platform))?.failed, undefined);
    await run('a', { fails: true });
    assert.ok((await findLineage('a', platform))?.failed);
  });

  it('is, for a run that is to be done again, the one that ended well, and of a retraining that of the run inside', async () => {
    const inside = await run('nightly/pipeline');
    await run('nightly/pipeline', { fails: true });
    await store.put(lineageKey('nightly'), Buffer.from(JSON.stringify({ ...inside, runs: ['nightly/pipeline'] })));
    assert.deepEqual(await requireTraining('nightly', platform), { run: 'nightly/pipeline', lineage: inside });
  });

  it('of a cross-validation cannot be done again as one run', async () => {
    const { input, uses } = await run('cv/fold-1');
    const folded = { ...input, settings: { ...input.settings, split: { ...input.settings.split, folds: 3 } } };
    const lineage = { input: folded, uses, runs: ['cv/fold-1', 'cv/fold-2', 'cv/fold-3'] };
    await store.put(lineageKey('cv'), Buffer.from(JSON.stringify(lineage)));
    await assert.rejects(requireTraining('cv', platform), (error) => {
      assert.ok(isFault(error));
      assert.match(error.message, /cross-validation.*Name the run of a fold, e\.g\. cv\/fold-1.*\[RUN_HAS_FOLDS\]/);
      return true;
    });
  });
});
