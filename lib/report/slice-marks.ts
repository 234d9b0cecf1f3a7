import { type Html, html, type Part } from './html.ts';
import type { SliceAxis } from './report-data.ts';
import { round, type View } from './slice-view.ts';

/** Letters at the left, right, top and bottom edge of a slice in radiological display order. */
const EDGES = {
  axial: ['R', 'L', 'A', 'P'],
  coronal: ['R', 'L', 'S', 'I'],
  sagittal: ['A', 'P', 'S', 'I'],
} as const;

/** Orientation letters and a scale bar at the edges of a view, in a size that goes with it. */
export function sliceMarks(view: View, axis: SliceAxis, mmPerUnit: number | null): Part {
  const { x, y, width, height } = view;
  const size = Math.max(width, height) * 0.05;
  return [letters(view, EDGES[axis], size), mmPerUnit !== null && scaleBar(x, y + height, width, mmPerUnit, size)];
}

function letters({ x, y, width, height }: View, edges: readonly [string, string, string, string], size: number): Part {
  const [left, right, top, bottom] = edges;
  return [
    mark(left, x + size * 0.7, y + height / 2, size),
    mark(right, x + width - size * 0.7, y + height / 2, size),
    mark(top, x + width / 2, y + size * 0.8, size),
    mark(bottom, x + width / 2, y + height - size * 0.6, size),
  ];
}

/** The longest of a few round lengths that fits into a third of the view. */
function scaleBar(x: number, bottom: number, width: number, mmPerUnit: number, size: number): Part {
  const mm = [100, 50, 20, 10, 5, 2, 1].find((length) => length / mmPerUnit <= width / 3);
  if (mm === undefined) return null;
  const [left, y, length, tick] = [x + size * 0.6, bottom - size * 0.6, mm / mmPerUnit, size * 0.35];
  const path = `M${round(left)} ${round(y - tick)}v${round(tick)}h${round(length)}v${round(-tick)}`;
  const label = mm >= 10 ? `${mm / 10} cm` : `${mm} mm`;
  return [html`<path class="scale" d="${path}"/>`, mark(label, left + length / 2, y - size * 0.75, size * 0.8)];
}

function mark(text: string, x: number, y: number, size: number): Html {
  return html`<text class="mark" x="${round(x)}" y="${round(y)}" font-size="${round(size)}">${text}</text>`;
}
