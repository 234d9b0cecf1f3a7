import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slicePanels } from '../../../lib/report/panels.ts';
import type { Box, SliceAxis, SlicePicture } from '../../../lib/report/report-data.ts';
import { pixelScale, targetView, wholeView } from '../../../lib/report/slice-view.ts';
import { reportData } from './report-fixture.ts';

/** A blank slice of 100 × 200 with the given box and nothing else drawn. */
function blank(
  boxes: readonly Box[],
  spacingMm: SlicePicture['spacingMm'] = null,
  axis: SliceAxis = 'axial',
): SlicePicture {
  const [height, width] = [100, 200];
  const empty = new Uint8Array(height * width);
  const pick = { ...reportData({ size: 32, count: 1 }).pictures[0]!.pick, boxes, axis };
  return { pick, height, width, spacingMm, pixels: empty, truth: empty, zeroShot: empty, fineTuned: empty };
}

test('pixels that are not square are shown in the proportions of the body', () => {
  const picture = blank([], [0.5, 1.25]);
  assert.deepEqual(pixelScale(picture), [1, 2.5]);
  assert.deepEqual(wholeView(picture), { x: 0, y: 0, width: 200, height: 250 });
});

test('a small target is magnified in the proportions of the slice, with everything drawn in view', () => {
  const view = targetView(blank([[90, 40, 150, 60]]));
  assert.deepEqual(view, { x: 81, y: 30.5, width: 78, height: 39 });
});

test('the view stays inside the slice, and is never smaller than a fifth of it', () => {
  assert.deepEqual(targetView(blank([[198, 0, 200, 2]])), { x: 160, y: 0, width: 40, height: 20 });
});

test('a large target, and none, show the whole slice', () => {
  for (const boxes of [[[10, 10, 180, 90]], []] as const)
    assert.deepEqual(targetView(blank(boxes)), wholeView(blank([])));
});

test('a wrong prediction far from the target stays in view', () => {
  const picture = blank([[10, 10, 20, 20]]);
  const fineTuned = new Uint8Array(picture.pixels.length);
  fineTuned[95 * 200 + 190] = 1;
  assert.deepEqual(targetView({ ...picture, fineTuned }), wholeView(picture));
});

test('orientation letters are those of the plane, and a scale bar appears where the spacing is known', () => {
  const known = slicePanels(blank([[90, 40, 110, 60]], [0.8, 0.8], 'sagittal')).text;
  for (const letter of ['A', 'P', 'S', 'I']) assert.match(known, new RegExp(`class="mark"[^>]*>${letter}<`));
  assert.match(known, /5 cm/);
  assert.doesNotMatch(slicePanels(blank([])).text, /class="scale"/);
});
