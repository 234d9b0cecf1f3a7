import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { layOutSafetensors, type SafeTensor, toFloat32 } from '../safetensors.ts';

/**
 * Writes `model.safetensors` in Hugging Face's layout: every tensor of `shapes` in float32, from `replaced` where it is in
 * there, otherwise from `base`, which may hold more. One tensor is in memory at a time; the same values give the same bytes.
 * The file is there, whole, once this has ended.
 * @throws RangeError where a tensor is in neither, or of another size: the caller has checked them
 */
export async function writeWeights(
  path: string,
  shapes: ReadonlyMap<string, readonly number[]>,
  base: AsyncIterable<readonly [string, SafeTensor]>,
  replaced: ReadonlyMap<string, SafeTensor>,
): Promise<void> {
  const tensors = [...shapes].map(([name, shape]) => [name, { dtype: 'F32', shape }] as const);
  const layout = layOutSafetensors(tensors, { format: 'pt' });
  const missing = new Map(layout.order.map((place) => [place.name, place]));
  const part = `${path}.part`;
  try {
    const file = await open(part, 'w');
    const put = async (name: string, tensor: SafeTensor): Promise<void> => {
      const place = missing.get(name);
      if (!place) return;
      const { buffer, byteOffset, byteLength } = toFloat32(tensor);
      if (byteLength !== place.bytes) throw new RangeError(`${name} has ${byteLength} bytes and not ${place.bytes}`);
      await writeAt(file, new Uint8Array(buffer, byteOffset, byteLength), place.from);
      missing.delete(name);
    };
    try {
      await writeAt(file, layout.header, 0);
      for (const [name, tensor] of replaced) await put(name, tensor);
      for await (const [name, tensor] of base) await put(name, tensor);
      if (missing.size > 0) throw new RangeError(`there is no ${[...missing.keys()][0]}`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, path);
  } finally {
    await rm(part, { force: true });
  }
}

async function writeAt(file: FileHandle, bytes: Uint8Array, from: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, from + done);
    done += bytesWritten;
  }
}
