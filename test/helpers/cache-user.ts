import { createHash } from 'node:crypto';
import { DiskCache } from '../../lib/artifacts/disk-cache.ts';
import { casKey } from '../../lib/artifacts/keys.ts';

/**
 * A process that uses a cache hard:  cache-user.ts DIR MAX_BYTES BLOBS BYTES ROUNDS START
 * Prints how often it found what it looked for, what was wrong in it, and its troubles.
 */
const [dir = '', ...numbers] = process.argv.slice(2);
const [maxBytes = 0, blobs = 0, bytes = 0, rounds = 0, start = 0] = numbers.map(Number);
const troubles: string[] = [];
const cache = new DiskCache({ dir, maxBytes, onTrouble: (error) => troubles.push(String(error)) });
const tally = { hits: 0, misses: 0, wrong: 0 };

for (let round = 0; round < rounds; round++) {
  const number = (start + round) % blobs;
  const blob = new Uint8Array(bytes).fill(number);
  const sha256 = createHash('sha256').update(blob).digest('hex');
  const ref = { kind: 'embeddings', key: casKey(sha256), sha256, bytes };
  const found = await cache.get(ref);
  if (!found) {
    tally.misses += 1;
    await cache.put(ref, blob);
  } else if (Buffer.compare(found, blob) === 0) tally.hits += 1;
  else tally.wrong += 1;
}
console.log(JSON.stringify({ ...tally, troubles }));
