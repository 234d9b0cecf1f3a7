import { createHash, randomBytes } from 'node:crypto';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { ProofInstallation } from '../../cli/resume-proof/installation.ts';
import { type BenchRow, ratioRow } from '../row.ts';

const BYTES = 16 * 2 ** 20;
const REPEATS = 12;

/** 16 MiB into the store and back, content-addressed and verified, against the bare client with its own checksums. */
export async function storeRows(installation: ProofInstallation, say: (line: string) => void): Promise<BenchRow[]> {
  say('durable/store');
  const bucket = installation.bucket('store');
  await bucket.store.ensureBucket();
  const { endpoint, region, accessKeyId = '', secretAccessKey = '' } = installation.s3;
  const credentials = { accessKeyId, secretAccessKey };
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  const [bare, ours]: [number[], number[]] = [[], []];
  for (let repeat = 0; repeat <= REPEATS; repeat += 1) {
    const [theirs, own] = [randomBytes(BYTES), randomBytes(BYTES)];
    const direct = await seconds(async () => {
      const Key = createHash('sha256').update(theirs).digest('hex');
      await client.send(new PutObjectCommand({ Bucket: 'store', Key, Body: theirs, ChecksumAlgorithm: 'SHA256' }));
      const { Body } = await client.send(new GetObjectCommand({ Bucket: 'store', Key }));
      await Body!.transformToByteArray();
    });
    const stored = await seconds(async () => bucket.artifacts.get(await bucket.artifacts.put('bench', own)));
    // The first of each opens connections.
    if (repeat === 0) continue;
    bare.push(direct);
    ours.push(stored);
  }
  client.destroy();
  const goal = { what: 'artifact store / bare client, 16 MiB there and back', target: 0.95, stretch: 1 };
  return [ratioRow(goal, bare, ours)];
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}
