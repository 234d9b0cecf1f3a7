import { type Html, html, type Part } from './html.ts';

/** A column's heading; `word` columns are set left, all others are figures and set right. */
export interface Column {
  readonly name: string;
  readonly word?: boolean;
}

/** A table that scrolls inside itself where the page is narrow. The first cell of a row is its heading. */
export function table(columns: readonly Column[], rows: readonly (readonly Part[])[]): Html {
  const head = columns.map(
    ({ name, word }) => html`<th scope="col"${word === true && html` class="word"`}>${name}</th>`,
  );
  const cell = (part: Part, i: number): Html =>
    i === 0
      ? html`<th scope="row">${part}</th>`
      : html`<td${columns[i]?.word === true && html` class="word"`}>${part}</td>`;
  const body = rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`);
  return html`<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>\n${body}</tbody></table></div>`;
}

/**
 * A value between 0 and 1 as a bar; `style` names its colour. The length is an attribute: the page's policy allows no style
 * attribute.
 */
export function bar(value: number, style: string): Html {
  const length = Math.round(Math.min(1, Math.max(0, value)) * 1000) / 10;
  return html`<svg class="bar" viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="3"/><rect class="${style}" width="${length}" height="3"/></svg>`;
}
