import type { Shape3 } from './affine.ts';
import { type Components, connectedVoxels } from './components.ts';

/** What is done to a predicted mask, in this order; as `PostProcess` of the stages. */
export interface PostProcess {
  /** Background that the structure encloses on all sides becomes part of it. */
  readonly fillHoles: boolean;
  /** Components with less volume than this go. */
  readonly minComponentMm3: number;
  /** Of what is left, only the largest component stays; of equal ones the first in memory. */
  readonly largestComponent: boolean;
}

const KEPT = [
  { minComponentMm3: 0, largestComponent: false },
  { minComponentMm3: 10, largestComponent: false },
  { minComponentMm3: 100, largestComponent: false },
  { minComponentMm3: 1000, largestComponent: false },
  { minComponentMm3: 0, largestComponent: true },
];

/** What is tried on validation patients, from the mildest to the strongest; the first leaves a mask as it is. */
export const POST_PROCESSES: readonly PostProcess[] = KEPT.flatMap((kept) =>
  [false, true].map((fillHoles) => ({ fillHoles, ...kept })),
);

/**
 * A predicted label map cleaned, label by label; x fastest, 0 is background, and a mask is a map with one label. Components are
 * joined by faces, edges and corners, holes by faces. A hole is filled where it is background in the whole map.
 */
export function cleanMask(labels: Uint8Array, shape: Shape3, spacingMm: Shape3, rule: PostProcess): Uint8Array {
  const cleaned = new Uint8Array(labels.length);
  const present = labelsIn(labels);
  for (const label of present) {
    const own = present.length === 1 ? labels.slice() : labels.map((value) => (value === label ? label : 0));
    if (rule.fillHoles) fillHoles(own, label, labels, shape);
    keepComponents(own, shape, spacingMm, rule);
    for (let at = 0; at < own.length; at += 1) if (own[at] !== 0) cleaned[at] = label;
  }
  return cleaned;
}

/** Not by a `Set`, which would take a second for a large volume. */
function labelsIn(labels: Uint8Array): number[] {
  const seen = new Uint8Array(256);
  for (let at = 0; at < labels.length; at += 1) seen[labels[at]!] = 1;
  return [...seen.keys()].filter((label) => label !== 0 && seen[label] === 1);
}

function fillHoles(own: Uint8Array, label: number, labels: Uint8Array, shape: Shape3): void {
  const background = connectedVoxels(own, shape, { of: 'background', connectivity: 6 });
  forRuns(
    background,
    background.open.map((open) => !open),
    (start, end) => {
      for (let at = start; at < end; at += 1) if (labels[at] === 0) own[at] = label;
    },
  );
}

function keepComponents(own: Uint8Array, shape: Shape3, spacingMm: Shape3, rule: PostProcess): void {
  const { minComponentMm3, largestComponent } = rule;
  if (minComponentMm3 === 0 && !largestComponent) return;
  const components = connectedVoxels(own, shape, { of: 'foreground', connectivity: 26 });
  const voxelMm3 = spacingMm[0] * spacingMm[1] * spacingMm[2];
  const largest = components.voxels.indexOf(components.voxels.reduce((most, voxels) => Math.max(most, voxels), 0));
  const dropped = components.voxels.map(
    (voxels, component) => voxels * voxelMm3 < minComponentMm3 || (largestComponent && component !== largest),
  );
  forRuns(components, dropped, (start, end) => own.fill(0, start, end));
}

function forRuns(
  { starts, ends, component }: Components,
  chosen: readonly boolean[],
  visit: (start: number, end: number) => void,
): void {
  for (let run = 0; run < starts.length; run += 1) {
    if (chosen[component[run]!]) visit(starts[run]!, ends[run]!);
  }
}
