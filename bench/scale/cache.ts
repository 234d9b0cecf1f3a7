import { join } from 'node:path';
import type { ArtifactRef } from '../../contracts/artifact.ts';
import { startDevServers } from '../../infra/dev/servers.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { DiskCache } from '../../lib/artifacts/disk-cache.ts';
import { S3Store } from '../../lib/artifacts/s3-store.ts';
import { type BenchRow, load, ratioRow } from '../row.ts';

const SHARDS = 16;
const SHARD_BYTES = 16 * 2 ** 20;
const REPEATS = 7;

/** What a stage gains that reads embeddings which this machine has read before. The store is on the same machine: the least there is to gain. */
export async function cacheRows(
  stateDir: string,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const servers = await startDevServers({ stateDir, env, ports: 'random', report: say });
  const store = new S3Store(servers.s3);
  try {
    await store.ensureBucket();
    const cache = new DiskCache({ dir: join(stateDir, 'copies'), maxBytes: 2 * SHARDS * SHARD_BYTES });
    const [plain, cached] = [new ArtifactStore(store), new ArtifactStore(store, cache)];
    const refs: ArtifactRef[] = [];
    for (let at = 0; at < SHARDS; at++) {
      refs.push(await cached.put('embeddings', new Uint8Array(SHARD_BYTES).fill(at + 1)));
    }
    const [fetched, kept]: [number[], number[]] = [[], []];
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      fetched.push(await secondsOf(plain, refs));
      kept.push(await secondsOf(cached, refs));
    }
    const what = `${(SHARDS * SHARD_BYTES) / 2 ** 20} MiB of embeddings read again: the store on this machine / a disk cache`;
    return [ratioRow({ what, target: 1.2, stretch: 2, note: load() }, fetched, kept)];
  } finally {
    store.close();
    await servers.stop();
  }
}

async function secondsOf(artifacts: ArtifactStore, refs: readonly ArtifactRef[]): Promise<number> {
  const started = performance.now();
  for (const ref of refs) await artifacts.get(ref);
  return (performance.now() - started) / 1000;
}
