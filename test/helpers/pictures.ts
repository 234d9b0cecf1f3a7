/** A mask from a drawing: one string a row, `.` and space are background, digits are themselves, other characters 1. */
export function draw(...rows: string[]): { mask: Uint8Array; height: number; width: number } {
  const width = rows[0]!.length;
  if (rows.some((row) => row.length !== width)) throw new RangeError('rows of a drawing must be equally long');
  const mask = Uint8Array.from(rows.join(''), (character) =>
    character === '.' || character === ' ' ? 0 : Number(character) || 1,
  );
  return { mask, height: rows.length, width };
}

/** The drawing of a label image: digits and `.` for 0. */
export function show(labels: ArrayLike<number>, width: number): string[] {
  const text = Array.from(labels, (label) => (label === 0 ? '.' : String(label)));
  return Array.from({ length: text.length / width }, (_, row) => text.slice(row * width, (row + 1) * width).join(''));
}
