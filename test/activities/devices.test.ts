import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { onDevices } from '../../activities/devices.ts';
import { Sessions } from '../../activities/sessions.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import type { Device } from '../../lib/runtime/session.ts';

describe('the devices of a worker', () => {
  /** Each says its number and lasts until it is told to end. */
  const open = (...numbers: number[]) => {
    const ends: (() => void)[] = [];
    const devices = numbers.map((number) => ({
      encode: async (_input: null): Promise<number> => {
        await new Promise<void>((resolve) => ends.push(resolve));
        return number;
      },
      fail: async (_input: null): Promise<number> => {
        throw new Error(`device ${number}`);
      },
    }));
    const [first, ...others] = devices;
    return { ends, stages: onDevices([first!, ...others]) };
  };

  it('each do one activity at a time', async () => {
    const { ends, stages } = open(0, 1);
    const both = [stages.encode(null), stages.encode(null)];
    await assert.rejects(stages.encode(null), /more activities at a time than the 2 devices/);
    for (const end of ends) end();
    assert.deepEqual((await Promise.all(both)).sort(), [0, 1]);
  });

  it('are free again after a failure, and the one that was used last comes first', async () => {
    const { ends, stages } = open(0, 1);
    await assert.rejects(stages.fail(null), /device 1/);
    await assert.rejects(stages.fail(null), /device 1/);
    const [one, other] = [stages.encode(null), stages.encode(null)];
    ends[1]!();
    assert.equal(await other, 0);
    await assert.rejects(stages.fail(null), /device 0/);
    ends[0]!();
    assert.equal(await one, 1);
  });

  it('stand in for any card of their kind; a run that wants another kind gets that', () => {
    const deviceOf = (own: Device | null, wanted?: string) =>
      new Sessions({ artifacts: new ArtifactStore(new MemoryStore()), threads: 1, device: own }).options(
        { device: wanted },
        new AbortController().signal,
      ).device;
    assert.equal(deviceOf('cuda:1', 'cuda'), 'cuda:1');
    assert.equal(deviceOf('cuda:1', 'cuda:0'), 'cuda:1');
    assert.equal(deviceOf('cuda:1', 'cpu'), 'cpu');
    assert.equal(deviceOf('cuda:1'), 'cpu');
    assert.equal(deviceOf(null, 'cuda:0'), 'cuda:0');
  });
});
