import type { Device } from '../runtime/session.ts';
import type { SamModel } from '../sam/model.ts';
import { ImageEncoder, type PrecisionChoice, slicesPerRun } from '../training/encoder.ts';
import { secondsPerRun } from '../training/seconds-per-run.ts';

export interface EncoderSetting {
  readonly device: Device;
  readonly threads: number;
  readonly precision: PrecisionChoice;
}

/** Seconds to encode one slice of this size, by one full batch of made-up slices. Throws RUNTIME_PROVIDER. */
export async function probeEncoder(
  model: SamModel,
  { height, width }: { readonly height: number; readonly width: number },
  { device, threads, precision }: EncoderSetting,
): Promise<number> {
  // A batch that is not full costs as much as a full one.
  const count = slicesPerRun(model.config, precision);
  const pixels = Uint8Array.from({ length: count * height * width }, (_, at) => at % 251);
  const encoder = await ImageEncoder.open(model, { device, threads, precision });
  try {
    const seconds = await secondsPerRun(() => encoder.encode(pixels, count, height, width), { runs: 1 });
    return seconds / count;
  } finally {
    await encoder.close();
  }
}
