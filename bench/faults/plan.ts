import { random } from '../../lib/dataset/random.ts';
import { FAULT_IDS, type Fault, type FaultId } from './fault.ts';
import { S3_FAULTS, SILENT_FAULTS } from './fault-proxy.ts';
import { fillingDisk, fullDisk, limitReached, littleMemory, memoryGone, readOnlyDisk } from './machines.ts';
import { cancelled, crowded, startedTwice } from './people.ts';
import { deniedStore, serverAway, troubledStore } from './servers.ts';
import { blockedLoop, jumpingClock, nativeAbort, zombie } from './workers.ts';

/** Numbers in [0, 1) of one fault, by what they decide. */
type Draw = (what: number) => number;
type Variant = (draw: Draw) => Fault;

/** Of the checkpoints that a run keeps, one in its first half: what comes then falls on a training that goes on for a while. */
const checkpoint = (draw: Draw): number => 1 + Math.floor(60 * draw(0));
const one = <T>(of: readonly T[], number: number): T => of[Math.floor(of.length * number)]!;
const seedOf = (draw: Draw): number => Math.floor(2 ** 31 * draw(1));

/** Ways of each fault; how often each is done follows from how many there are. */
const VARIANTS: Readonly<Record<FaultId, readonly Variant[]>> = {
  F3: [2, 25, 90].map((seconds) => (draw) => serverAway(seconds, checkpoint(draw))),
  F4: [
    (draw) => troubledStore(S3_FAULTS, 8, seedOf(draw)),
    // Two kinds at once, which meet in one request's attempts.
    (draw) => troubledStore([one(S3_FAULTS, draw(2)), one(S3_FAULTS, draw(3))], 5, seedOf(draw)),
    (draw) => deniedStore(checkpoint(draw)),
    // Each costs its time-out of half a minute.
    (draw) => troubledStore(SILENT_FAULTS, 250, seedOf(draw), 1),
  ],
  F5: [(draw) => zombie(checkpoint(draw), Math.floor(3_000 * draw(2)))],
  F6: [
    (draw) => jumpingClock([1 + 3 * draw(1), -2 * draw(2), 24 * draw(3)].map((hours) => Number(hours.toFixed(2)))),
    (draw) => blockedLoop(checkpoint(draw), 12 + Math.floor(6 * draw(1))),
  ],
  F7: [
    () => fullDisk('size=32m', 'room'),
    (draw) => fillingDisk(checkpoint(draw)),
    () => fullDisk('size=128m,nr_inodes=4096', 'inodes'),
    () => readOnlyDisk(),
    (draw) => limitReached('nofile', 0, checkpoint(draw), ['WORKER_FILE_HANDLES']),
    (draw) => limitReached('fsize', 4096, checkpoint(draw), ['DISK_FULL']),
  ],
  F8: [
    (draw) => nativeAbort(checkpoint(draw)),
    (draw) => memoryGone(checkpoint(draw)),
    () => littleMemory({ NODE_OPTIONS: '--max-old-space-size=40' }, [], 'a gpu worker of 40 MiB, and one with enough'),
  ],
  F9: [
    ...['convert', 'encode', 'fine-tune', 'evaluate'].map((stage) => () => cancelled(stage)),
    () => startedTwice('encode'),
    () => startedTwice('fine-tune'),
  ],
  F11: [(draw) => crowded(12 + Math.floor(12 * draw(1)))],
};

/** So many of each of these faults, their ways in turn, by seed; first one of each, then the second. */
export function planFaults(ids: readonly FaultId[], times: number, seed: number): Fault[] {
  return Array.from({ length: times }, (_, n) =>
    ids.map((id) => {
      const variants = VARIANTS[id];
      return variants[n % variants.length]!((what) => random(seed, FAULT_IDS.indexOf(id), n, what));
    }),
  ).flat();
}
