import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowFailedError } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import type { Fault, Place } from './fault.ts';
import { type FaultProxy, type S3Fault, seededFaults, startFaultProxy } from './fault-proxy.ts';

/** F3: the Temporal server is killed while the run trains, and comes back on its database after so many seconds. */
export function serverAway(seconds: number, checkpoint: number): Fault {
  return {
    ...{ id: 'F3', title: `Temporal away for ${seconds} s from checkpoint ${checkpoint} on` },
    // The attempt that was at work may count as lost, and waits out its back-off.
    ...{ within: seconds + 90, retries: 3 },
    async disturb({ temporal, checkpoints }) {
      await checkpoints(checkpoint);
      await temporal.kill();
      await sleep(seconds * 1000);
      await temporal.start();
    },
  };
}

/** F4: one request in so many between workers and store goes wrong, in ways of these kinds. */
export function troubledStore(kinds: readonly S3Fault[], oneIn: number, seed: number, least = 10): Fault {
  let proxy: FaultProxy;
  return {
    ...{ id: 'F4', title: `one request in ${oneIn} to the store goes wrong: ${kinds.join(', ')}` },
    ...{ within: 240, retries: 20 },
    workers: async (place) => {
      proxy = await between(place, seededFaults(seed, oneIn, kinds));
      return behind(proxy);
    },
    async disturb({ run }) {
      await run.result();
      const count = [...proxy.injected.values()].reduce((sum, times) => sum + times, 0);
      if (count < least) throw new Error(`${count} of ${proxy.requests} requests went wrong, which shows nothing`);
    },
  };
}

/** F4: the store's account loses its rights while the run trains. That ends the run; with the rights it is started again. */
export function deniedStore(checkpoint: number): Fault {
  let isDenied = false;
  return {
    ...{
      id: 'F4',
      title: `the store denies everything from checkpoint ${checkpoint} on, until the run is started again`,
    },
    ...{ within: 90, retries: 3 },
    workers: async (place) => behind(await between(place, () => (isDenied ? 'denied' : null))),
    async disturb({ run, checkpoints, again }) {
      await checkpoints(checkpoint);
      isDenied = true;
      const failure = await run.result().then(
        () => null,
        (error: WorkflowFailedError) => error.cause as ApplicationFailure,
      );
      if (failure?.type !== 'STORE_DENIED')
        throw new Error(`ended with ${failure?.type ?? 'a result'}, not STORE_DENIED`);
      isDenied = false;
      await again();
    },
  };
}

async function between(
  { installation, closing }: Place,
  choose: Parameters<typeof startFaultProxy>[1],
): Promise<FaultProxy> {
  const proxy = await startFaultProxy(installation.s3.endpoint!, choose);
  closing(() => proxy.close());
  return proxy;
}

function behind({ url }: FaultProxy) {
  const options = { env: { SAMFLOW_S3_ENDPOINT: url } };
  return { gpu: options, others: options };
}
