import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The name under which models look for their weights. */
const WEIGHTS = 'weights.bin';

/**
 * Writes a model and its weights into a folder of their own for as long as `use` takes. The runtime maps the weights
 * instead of copying them, so a large model is in memory once; what is mapped stays readable after the folder is gone.
 */
export async function withModelFile<T>(
  { model, weights }: { model: Uint8Array; weights: readonly Uint8Array[] },
  use: (path: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), `samflow-model-${process.pid}-`));
  try {
    const path = join(folder, 'model.onnx');
    await writeFile(path, model);
    const file = await open(join(folder, WEIGHTS), 'w');
    try {
      for (const part of weights) await file.write(part);
    } finally {
      await file.close();
    }
    return await use(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
