import type { DataSet } from 'dicom-parser';

/** The numbers of a decimal-string tag, NaN where they are none; empty where the tag is absent. */
export function numbers(data: DataSet | null, tag: string): number[] {
  const text = data?.string(tag);
  return text ? text.split('\\').map((part) => (part.trim() === '' ? Number.NaN : Number(part))) : [];
}

export const positive = (value: number | undefined) =>
  value !== undefined && value > 0 && Number.isFinite(value) ? value : null;
