import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Html, html, type Part } from './html.ts';

const STYLE = ['./page.css', './figures.css']
  .map((name) => readFileSync(new URL(name, import.meta.url), 'utf8'))
  .join('');

/**
 * The policy of a page: nothing is loaded but embedded images, no script runs, and the only styles are those of the one
 * style element, known by their hash.
 */
const POLICY = [
  "default-src 'none'",
  'img-src data:',
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

export interface Page {
  readonly title: string;
  /** What stands between the title and the links to the sections. */
  readonly head: Part;
  /** Ids of the sections. */
  readonly sections: readonly string[];
  readonly main: Part;
  /** What the scores do not say. */
  readonly caution: string;
}

/** One self-contained HTML page: no request leaves it and no script is in it. */
export function renderPage({ title, head, sections, main, caution }: Page): string {
  const links = sections.map((name) => html`<a href="#${name}">${name}</a>`);
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">
<title>${title} · samflow report</title><link rel="icon" href="data:,">
<style>${new Html(STYLE)}</style></head>
<body><header><p class="notice">Research use only. Not a medical device.</p><h1>${title}</h1>
${head}<nav aria-label="Sections">${links}</nav></header>
<main>${main}</main>
<footer><p>For research use only. This model and its masks are not validated for clinical use: do not use them for diagnosis, treatment or any decision about a patient. ${caution}</p></footer></body></html>
`;
  return page.text;
}

/** Facts under the title, e.g. target and run. */
export function factList(facts: readonly (readonly [name: string, value: string])[]): Html {
  return html`<dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
