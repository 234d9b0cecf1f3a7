import { Fault } from '../fault.ts';
import { allocateSafetensors, decodeSafetensors, encodeSafetensors, i32, u8 } from '../safetensors.ts';
import type { SliceStack } from './slices.ts';

/** Artifact `slices`: the stacks of one patient. */
const FORMAT = 'samflow-slices-2';

/**
 * safetensors: for each plane, by its name, `pixels` U8 [N, H, W], `index` I32 [N] and, where there are any, `masks` U8
 * [N, H, W]. Same stacks, same bytes.
 */
export function encodeSlices(stacks: readonly SliceStack[]): Uint8Array {
  const tensors = stacks.flatMap((stack) =>
    tensorsOf(stack, stack.masks !== null).map(
      ([name, kind, tensor]) => [name, { ...tensor, data: stack[kind]! }] as const,
    ),
  );
  return encodeSafetensors(tensors, metadataOf(stacks));
}

/** What a stack is before its pixels are there. */
export type StackFacts = Omit<SliceStack, 'pixels' | 'masks'>;

/** Stacks of zeros where they will lie in the artifact: encoding them, when they are filled, copies nothing. */
export function roomForStacks(stacks: readonly StackFacts[], masked: boolean): SliceStack[] {
  const tensors = stacks.flatMap((stack) =>
    tensorsOf(stack, masked).map(([name, , tensor]) => [name, tensor] as const),
  );
  const room = allocateSafetensors(tensors, metadataOf(stacks));
  return stacks.map((stack) => {
    const index = i32(room.get(`${stack.axis}.index`)!);
    index.set(stack.index);
    const masks = masked ? u8(room.get(`${stack.axis}.masks`)!) : null;
    return { ...stack, index, pixels: u8(room.get(`${stack.axis}.pixels`)!), masks };
  });
}

function tensorsOf({ axis, index, height, width }: StackFacts, masked: boolean) {
  const shape = [index.length, height, width];
  const pixels = [`${axis}.pixels`, 'pixels', { dtype: 'U8', shape }] as const;
  const places = [`${axis}.index`, 'index', { dtype: 'I32', shape: [index.length] }] as const;
  return masked ? [pixels, places, [`${axis}.masks`, 'masks', { dtype: 'U8', shape }] as const] : [pixels, places];
}

function metadataOf(stacks: readonly StackFacts[]) {
  const facts = stacks.map(({ axis, total, window, pixelMm }) => ({ axis, total, window, pixelMm }));
  return { format: FORMAT, stacks: JSON.stringify(facts) };
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
