/** The values other than 0 that a mask holds, in order: which structures a patient has. */
export function labelsPresent(mask: Uint8Array): number[] {
  const seen = new Set<number>();
  let previous = 0;
  for (let at = 0; at < mask.length; at += 1) {
    const value = mask[at]!;
    // Labels come in long runs: most voxels repeat the one before.
    if (value === previous) continue;
    if (value > 0) seen.add(value);
    previous = value;
  }
  return [...seen].sort((a, b) => a - b);
}
