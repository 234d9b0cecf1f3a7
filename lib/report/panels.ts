import { Buffer } from 'node:buffer';
import { encode } from 'fast-png';
import { score } from './format.ts';
import { type Html, html, type Part } from './html.ts';
import { outline } from './outline.ts';
import { checkPicture } from './pick-slices.ts';
import type { Box, SlicePicture } from './report-data.ts';
import { sliceMarks } from './slice-marks.ts';
import { pixelScale, round, targetView, type View, wholeView } from './slice-view.ts';

/** A view of fewer pixels than this a side is enlarged on screen: its pixels stay squares. */
const CRISP_BELOW = 400;

/**
 * The four views of one slice: plain, truth with boxes, zero-shot, fine-tuned. Where the target is small the last three are
 * magnified, and a frame in the first shows what part they are. The panels share one grey PNG; masks are vector outlines,
 * sharp at any size and in print.
 */
export function slicePanels(picture: SlicePicture): Html {
  checkPicture(picture);
  const { pick, spacingMm } = picture;
  const id = `slice-${pick.rank}`;
  const [scaleX, scaleY] = pixelScale(picture);
  const whole = wholeView(picture);
  const target = targetView(picture);
  const magnified = target.width < whole.width;

  const use = (name: string, style: string): Html => html`<use href="#${id}-${name}" class="${style}"/>`;
  const panel = (name: string, caption: string, view: View, overlay: Part, above: Part = null): Html => {
    const crisp = Math.max(view.width / scaleX, view.height / scaleY) < CRISP_BELOW;
    const image = html`<g transform="scale(${scaleX} ${scaleY})">${use('image', crisp ? 'crisp' : 'smooth')}${overlay}</g>`;
    const marks = sliceMarks(view, pick.axis, spacingMm && Math.min(...spacingMm));
    const box = `${view.x} ${view.y} ${view.width} ${view.height}`;
    return figure(
      id,
      name,
      caption,
      html`<svg viewBox="${box}" role="img" aria-label="${caption}">${image}${marks}${above}</svg>`,
    );
  };
  const boxes = use('boxes', 'box');
  const prediction = (name: string): Part => [use(name, `fill ${name}`), use('truth', 'reference'), boxes];
  const frame =
    magnified && rect([target.x, target.y, target.x + target.width, target.y + target.height], 'edge frame');
  const truth = [use('truth', 'fill truth'), boxes];
  return html`<div class="panels">${[
    panel('whole', magnified ? 'Image, magnified part framed' : 'Image', whole, null, [frame, shared(id, picture)]),
    panel('truth', `Truth and ${pick.boxes.length === 1 ? 'box' : 'boxes'}`, target, truth),
    panel('zero-shot', `Zero-shot, Dice ${score(pick.zeroShot.dice)}`, target, prediction('zero-shot')),
    panel('fine-tuned', `Fine-tuned, Dice ${score(pick.fineTuned.dice)}`, target, prediction('fine-tuned')),
  ]}</div>`;
}

/** A figure that fills the window when its link is followed (`:target`): no script needed. */
function figure(id: string, name: string, caption: string, svg: Html): Html {
  const panel = `${id}-${name}-panel`;
  return html`<figure class="panel" id="${panel}"><a class="open" href="#${panel}" title="Enlarge">${svg}</a>
<figcaption>${caption}</figcaption><a class="close" href="#${id}">Close</a></figure>
`;
}

/** What more than one panel shows, once. */
function shared(id: string, picture: SlicePicture): Html {
  const { height, width, pixels, pick } = picture;
  const png = Buffer.from(encode({ width, height, data: pixels, depth: 8, channels: 1 })).toString('base64');
  const path = (name: string, mask: Uint8Array): Html =>
    html`<path id="${id}-${name}" class="edge" d="${outline(mask, height, width)}"/>`;
  return html`<defs><image id="${id}-image" width="${width}" height="${height}" href="data:image/png;base64,${png}"/>
<g id="${id}-boxes">${pick.boxes.map((box) => rect(box, 'edge'))}</g>${[
    path('truth', picture.truth),
    path('zero-shot', picture.zeroShot),
    path('fine-tuned', picture.fineTuned),
  ]}</defs>`;
}

function rect([x0, y0, x1, y1]: Box, style: string): Html {
  return html`<rect class="${style}" x="${round(x0)}" y="${round(y0)}" width="${round(x1 - x0)}" height="${round(y1 - y0)}"/>`;
}
