/**
 * Names of DICOM files as messages show them, which end up in histories and logs. Exporters name files by UID, which holds
 * the date and the machine, or by record number: what has six digits in a row is told by its place in the folder instead.
 */
export function nameDicomFiles<T extends { readonly name: string }>(files: readonly T[]): T[] {
  const sorted = files.map(({ name }) => name).sort();
  const places = new Map(sorted.map((name, index) => [name, index + 1]));
  const shown = (name: string) => (/\d{6}/.test(name) ? `file ${places.get(name)} of ${files.length}, by name` : name);
  return files.map((file) => ({ ...file, name: shown(file.name) }));
}
