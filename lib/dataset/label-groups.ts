/**
 * Label values of the files that count, as `dataset.labels` of the run configuration: values that make one structure
 * together, or structures by name with the value or values of each.
 */
export type LabelSetting = readonly number[] | Readonly<Record<string, number | readonly number[]>>;

/** Values that become 1, values that become 2, ... in a patient's mask; null: every value but zero becomes 1. */
export type LabelGroups = readonly (readonly number[])[] | null;

/** A structure that is scored and written by itself: its value in masks, or null for all that is not background. */
export interface NamedLabel {
  readonly name: string;
  readonly label: number | null;
}

/** Groups of file values, in the order of the values that they get. */
export function labelGroupsOf(labels: LabelSetting | undefined): number[][] | null {
  if (labels === undefined) return null;
  if (isList(labels)) return [[...labels]];
  return byFirstValue(labels).map(([, values]) => values);
}

/** What the values of a patient's mask are called; `target` where the structures have no names of their own. */
export function structuresOf(target: string, labels: LabelSetting | undefined): NamedLabel[] {
  if (labels === undefined || isList(labels)) return [{ name: target, label: null }];
  return byFirstValue(labels).map(([name], at) => ({ name, label: at + 1 }));
}

const isList = (labels: LabelSetting): labels is readonly number[] => Array.isArray(labels);

/** By the smallest value of each: the order in which somebody wrote them down changes no mask. */
function byFirstValue(labels: Exclude<LabelSetting, readonly number[]>): [string, number[]][] {
  return Object.entries(labels)
    .map(([name, values]): [string, number[]] => [name, typeof values === 'number' ? [values] : [...values]])
    .sort(([a, x], [b, y]) => Math.min(...x) - Math.min(...y) || (a < b ? -1 : 1));
}
