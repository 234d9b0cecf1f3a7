import { Fault } from '../fault.ts';
import { decodeSafetensors, encodeSafetensors, i32, u8 } from '../safetensors.ts';
import type { SliceStack } from './slices.ts';

/** Artifact `slices`: the stacks of one patient. */
const FORMAT = 'samflow-slices-2';

/**
 * safetensors: for each plane, by its name, `pixels` U8 [N, H, W], `index` I32 [N] and, where there are any, `masks` U8
 * [N, H, W]. Same stacks, same bytes.
 */
export function encodeSlices(stacks: readonly SliceStack[]): Uint8Array {
  const tensors = stacks.flatMap(({ pixels, masks, index, height, width, axis }) => {
    const shape = [index.length, height, width];
    return [
      [`${axis}.pixels`, { dtype: 'U8', shape, data: pixels }] as const,
      [`${axis}.index`, { dtype: 'I32', shape: [index.length], data: index }] as const,
      ...(masks ? [[`${axis}.masks`, { dtype: 'U8', shape, data: masks }] as const] : []),
    ];
  });
  const facts = stacks.map(({ axis, total, window, pixelMm }) => ({ axis, total, window, pixelMm }));
  return encodeSafetensors(tensors, { format: FORMAT, stacks: JSON.stringify(facts) });
}

/** The inverse of `encodeSlices`. Fault SLICES_FORMAT for other bytes. */
export function decodeSlices(bytes: Uint8Array): SliceStack[] {
  const { tensors, metadata } = decodeSafetensors(bytes, 'slices');
  if (metadata.format !== FORMAT || !metadata.stacks) throw otherFormat(metadata.format);
  const facts = JSON.parse(metadata.stacks) as Pick<SliceStack, 'axis' | 'total' | 'window' | 'pixelMm'>[];
  return facts.map((stack) => {
    const [pixels, index, masks] = ['pixels', 'index', 'masks'].map((name) => tensors.get(`${stack.axis}.${name}`));
    if (!pixels || !index) throw otherFormat(`${FORMAT} without ${stack.axis} slices`);
    const [, height, width] = pixels.shape as [number, number, number];
    return { pixels: u8(pixels), masks: masks ? u8(masks) : null, index: i32(index), height, width, ...stack };
  });
}

function otherFormat(found: string | undefined): Fault {
  return new Fault('SLICES_FORMAT', {
    at: 'slices',
    found: `an artifact of format ${found ?? 'unknown'}`,
    expected: FORMAT,
    fix: 'Run the stage `slice` again',
  });
}
