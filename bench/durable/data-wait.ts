import { EMBEDDINGS } from '../../activities/encoded.ts';
import { TrainingEmbeddings } from '../../activities/training-embeddings.ts';
import type { ProofBucket, ProofInstallation } from '../../cli/resume-proof/installation.ts';
import type { EncodedPatient } from '../../contracts/stages.ts';
import { encodeSafetensors } from '../../lib/safetensors.ts';
import { readSamConfig, type SamConfig } from '../../lib/sam/config.ts';
import { madeUpModel } from '../../lib/sam/made-up-model.ts';
import type { StoredEmbedding } from '../../lib/training/embedding.ts';
import { type FineTuneSettings, fineTune } from '../../lib/training/fine-tune.ts';
import type { TrainingSlice } from '../../lib/training/samples.ts';
import { type BenchRow, load } from '../row.ts';

/** Slices of ViT-B at full size, 2 MiB each, in shards of 16 MiB. */
const SLICES = { train: 40, val: 8 } as const;
const ROWS_OF_A_SHARD = 8;
const SIZE = 512;
const SETTINGS: FineTuneSettings = {
  ...{ seed: 1, train: 'decoder', epochs: 3, patience: 0, checkpointEverySteps: 1000, accumulate: 1 },
  ...{ batchBoxes: 4, boxesPerImage: 1, boxesPerPass: 'auto', loss: 'dice-ce', optimiser: 'adam' },
  ...{ learningRate: 1e-5, weightDecay: 0, warmupSteps: 0, schedule: 'constant', clipNorm: 0 },
  ...{ jitter: 0.1, jitterPixels: 20 },
};

/**
 * A training whose embeddings have no room in memory at all: what an epoch waits for data, once they are on the disk, and in
 * the first epoch, while they come from the store.
 */
export async function dataWaitRows(installation: ProofInstallation, say: (line: string) => void): Promise<BenchRow[]> {
  say('durable/data-wait: embeddings of 48 slices at full size');
  const model = madeUpModel(readSamConfig({}), 'decoder');
  const bucket = installation.bucket('data-wait');
  await bucket.store.ensureBucket();
  const encoded = await storedPatient(model.config, bucket);
  const embeddings = new TrainingEmbeddings({ artifacts: bucket.artifacts, embeddings: { memoryBytes: 0 } });
  const epochs: { waited: number; seconds: number }[] = [];
  try {
    const slices = (await embeddings.of(encoded)).map(sliceOf);
    const data = { train: slices.slice(0, SLICES.train), val: slices.slice(SLICES.train) };
    embeddings.fetchAhead();
    say('durable/data-wait: three epochs of 40 boxes');
    const stepsInEpoch = SLICES.train / SETTINGS.batchBoxes;
    let [waited, began] = [0, performance.now()];
    await fineTune({
      ...{ model, ...data, settings: SETTINGS, session: { threads: 2 } },
      onWait: (seconds) => {
        waited += seconds;
      },
      onStatus: ({ step }) => {
        if (step % stepsInEpoch > 0) return;
        epochs.push({ waited, seconds: (performance.now() - began) / 1000 });
        [waited, began] = [0, performance.now()];
      },
    });
  } finally {
    await embeddings.close();
  }
  const [first, ...later] = epochs.map((epoch) => ({ ...epoch, share: (100 * epoch.waited) / epoch.seconds }));
  const [least] = later.sort((a, b) => a.share - b.share);
  return [
    {
      what: 'wait for data in an epoch, embeddings on the disk',
      value: later.reduce((sum, { share }) => sum + share, 0) / later.length,
      target: 5,
      sense: 'at most',
      unit: '%',
      note: [
        `mean of ${later.length} epochs, ${least!.share.toFixed(1)} % in the least; ${least!.seconds.toFixed(1)} s each`,
        `${first!.share.toFixed(1)} % in the first, with opening the sessions and fetching all from the store; ${load()}`,
      ].join('\n'),
    },
  ];
}

/** Embeddings whose values depend on row and place. */
async function storedPatient({ decoder, grid }: SamConfig, { artifacts }: ProofBucket): Promise<EncodedPatient> {
  const shape = [decoder.hidden_size, grid, grid];
  const size = decoder.hidden_size * grid ** 2;
  const shards = [];
  const count = SLICES.train + SLICES.val;
  for (let from = 0; from < count; from += ROWS_OF_A_SHARD) {
    const data = new Uint16Array(ROWS_OF_A_SHARD * size);
    // 0x3800 is 0.5 in half precision.
    for (let at = 0; at < data.length; at++) data[at] = 0x3800 + ((at * 31 + from * 17) % 1024);
    const bytes = encodeSafetensors([[EMBEDDINGS, { dtype: 'F16', shape: [ROWS_OF_A_SHARD, ...shape], data }]]);
    shards.push({ embeddings: await artifacts.put('embeddings', bytes), from, to: from + ROWS_OF_A_SHARD });
  }
  return { patient: 'p-000000000001', slices: await artifacts.put('slices', new Uint8Array(1)), shards };
}

/** A slice of 512 x 512 with one square on it. */
function sliceOf(image: StoredEmbedding, row: number): TrainingSlice {
  const mask = new Uint8Array(SIZE * SIZE);
  const [x, y, side] = [100 + row, 120 + row, 160];
  for (let at = y; at < y + side; at++) mask.fill(1, at * SIZE + x, at * SIZE + x + side);
  return { image, height: SIZE, width: SIZE, objects: [{ box: [x, y, x + side, y + side], mask }] };
}
