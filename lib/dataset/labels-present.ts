/** The values other than 0 that a mask holds, in order: which structures a patient has. */
export function labelsPresent(mask: Uint8Array): number[] {
  const seen = new Uint8Array(256);
  for (const value of mask) seen[value] = 1;
  return Array.from(seen.keys()).filter((value) => value > 0 && seen[value] === 1);
}
