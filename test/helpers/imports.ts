/**
 * What a source file imports, read from its tokens: enough of the language to skip comments, strings, templates and
 * regular expressions, so that an import in a comment or in a test's fixture text is not taken for one.
 */
export interface Import {
  readonly specifier: string;
  /** `type` is erased before anything runs; `static` and `dynamic` load the module. */
  readonly kind: 'type' | 'static' | 'dynamic';
}

interface Token {
  readonly kind: 'word' | 'string' | 'punctuation';
  readonly text: string;
}

/** After these words a slash starts a regular expression; after any other word it divides. */
const BEFORE_EXPRESSION = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'delete',
  'void',
  'await',
  'yield',
  'throw',
]);
const WORD = /[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/uy;
const NUMBER = /\d[\w.]*/y;
const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const STRING = /'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"/y;
const REGULAR_EXPRESSION = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;
const TEMPLATE_PART = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(`|\$\{)/y;

function matchAt(pattern: RegExp, source: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? null;
}

function startsExpression(before: Token | undefined): boolean {
  if (!before) return true;
  if (before.kind === 'word') return BEFORE_EXPRESSION.has(before.text);
  return before.kind === 'punctuation' && !/^[)\]}\d]/.test(before.text);
}

export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  /** Depth of braces inside each open `${`. */
  const templates: number[] = [];
  let at = 0;
  const take = (text: string, kind: Token['kind'] | null): void => {
    at += text.length;
    if (kind) tokens.push({ kind, text });
  };
  const takeTemplatePart = (): void => {
    const part = matchAt(TEMPLATE_PART, source, at);
    if (part === null) throw new SyntaxError(`template without an end at character ${at}`);
    take(part, null);
    if (part.endsWith('${')) templates.push(0);
    // The end of a template is a value: a slash after it divides.
    else tokens.push({ kind: 'string', text: '' });
  };
  while (at < source.length) {
    const character = source[at]!;
    const comment = character === '/' ? matchAt(COMMENT, source, at) : null;
    const string = character === "'" || character === '"' ? matchAt(STRING, source, at) : null;
    const word = matchAt(WORD, source, at);
    const number = matchAt(NUMBER, source, at);
    const regularExpression =
      character === '/' && !comment && startsExpression(tokens.at(-1)) ? matchAt(REGULAR_EXPRESSION, source, at) : null;
    if (/\s/.test(character)) take(character, null);
    else if (comment) take(comment, null);
    else if (string) take(string, 'string');
    else if (word) take(word, 'word');
    else if (number) take(number, 'punctuation');
    else if (regularExpression) take(regularExpression, 'string');
    else if (character === '`') {
      at += 1;
      takeTemplatePart();
    } else if (character === '}' && templates.at(-1) === 0) {
      at += 1;
      templates.pop();
      takeTemplatePart();
    } else {
      if (templates.length > 0 && character === '{') templates[templates.length - 1]! += 1;
      if (templates.length > 0 && character === '}') templates[templates.length - 1]! -= 1;
      take(character, 'punctuation');
    }
  }
  return tokens;
}

/** The text between the quotes of a string, or null where the token is none. */
const quoted = (token: Token | undefined): string | null =>
  token?.kind === 'string' && /^['"]/.test(token.text) ? token.text.slice(1, -1) : null;

/** The string after the `from` that ends the clause starting at `start`, or null where the statement has none. */
function fromClause(tokens: readonly Token[], start: number): string | null {
  for (let i = start; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.text === 'from' && quoted(tokens[i + 1]) !== null) return quoted(tokens[i + 1]);
    const inClause = token.kind === 'word' || /^[{},*]$/.test(token.text) || quoted(token) !== null;
    if (!inClause) return null;
    if (token.text === '}' && tokens[i + 1]?.text !== 'from' && tokens[i + 1]?.text !== ',') return null;
  }
  return null;
}

const textOf = (tokens: readonly Token[], from: number, count: number): string =>
  tokens
    .slice(from, from + count)
    .map(({ text }) => text)
    .join('');

export function importsOf(source: string): Import[] {
  const tokens = tokenize(source);
  const imports: Import[] = [];
  const add = (specifier: string | null, kind: Import['kind']): void => {
    if (specifier !== null) imports.push({ specifier, kind });
  };
  tokens.forEach((token, i) => {
    if (token.kind !== 'word' || tokens[i - 1]?.text === '.') return;
    const next = tokens[i + 1];
    if (!next) return;
    if ((token.text === 'import' || token.text === 'require') && next.text === '(') {
      add(quoted(tokens[i + 2]), tokens[i - 1]?.text === 'typeof' ? 'type' : 'dynamic');
    } else if (token.text === 'import' && textOf(tokens, i + 1, 5) === '.meta.resolve(') {
      add(quoted(tokens[i + 6]), 'dynamic');
    } else if (token.text === 'import') {
      if (quoted(next) !== null) add(quoted(next), 'static');
      else if (next.kind === 'word' || next.text === '{' || next.text === '*') {
        // `import type from 'x'` is a default import that happens to be named `type`.
        const typeOnly = next.text === 'type' && tokens[i + 2]?.text !== 'from' && tokens[i + 2]?.text !== ',';
        add(fromClause(tokens, i + 1), typeOnly ? 'type' : 'static');
      }
    } else if (token.text === 'export') {
      const typeOnly = next.text === 'type' && /^[{*]$/.test(tokens[i + 2]?.text ?? '');
      if (typeOnly || next.text === '{' || next.text === '*') {
        add(fromClause(tokens, i + 1), typeOnly ? 'type' : 'static');
      }
    }
  });
  return imports;
}

/** Names of the functions and constants that a file declares and exports. */
export function exportedNames(source: string): string[] {
  const tokens = tokenize(source);
  const names: string[] = [];
  tokens.forEach((token, i) => {
    if (token.text !== 'export' || token.kind !== 'word') return;
    let at = i + 1;
    while (tokens[at]?.text === 'async') at += 1;
    if (['function', 'const', 'class'].includes(tokens[at]?.text ?? '')) {
      if (tokens[at + 1]?.text === '*') at += 1;
      if (tokens[at + 1]?.kind === 'word') names.push(tokens[at + 1]!.text);
    }
  });
  return names;
}

/** Names that a file passes on: `export { a, b as c } from './x.ts'` gives a and c. */
export function reExportedNames(source: string): string[] {
  const tokens = tokenize(source);
  const names: string[] = [];
  tokens.forEach((token, i) => {
    if (token.text !== 'export' || tokens[i + 1]?.text !== '{' || fromClause(tokens, i + 1) === null) return;
    for (let at = i + 2; tokens[at] && tokens[at]!.text !== '}'; at++) {
      const after = tokens[at + 1]?.text;
      if (tokens[at]!.kind === 'word' && (after === ',' || after === '}')) names.push(tokens[at]!.text);
    }
  });
  return names;
}
