/** Rows of every table of a page, as cells without their marks; the heading rows are left out. */
export function tableRows(page: string): string[][] {
  const lines = page.split('\n');
  return lines.flatMap((line, i) => {
    const isRow = line.startsWith('|') && !/^\|[\s|:-]+$/.test(line);
    const isHeading = /^\|[\s|:-]+$/.test(lines[i + 1] ?? '');
    if (!isRow || isHeading) return [];
    return [
      line
        .slice(1, line.lastIndexOf('|'))
        .split('|')
        .map((cell) => cell.trim()),
    ];
  });
}

/** Text of a cell that is one code span, or the cell as it is. */
export const code = (cell: string): string => /^`([^`]*)`$/.exec(cell)?.[1] ?? cell;

/** Lines of the page's shell blocks, without comments and without prompts. */
export function shellLines(page: string): string[] {
  return [...page.matchAll(/^```(?:sh|bash|shell|console)\n([\s\S]*?)^```$/gm)]
    .flatMap((match) => match[1]!.replace(/\\\n\s*/g, ' ').split('\n'))
    .map((line) =>
      line
        .replace(/\s+#.*$/, '')
        .replace(/^\$ /, '')
        .trim(),
    )
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** Targets of links to files of the repository, with the anchor apart. Fenced code holds no links. */
export function relativeLinks(page: string): { path: string; anchor: string | null }[] {
  const prose = page.replace(/^```[\s\S]*?^```$/gm, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1]!)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path, anchor] = target.split('#');
      return { path: path!, anchor: anchor ?? null };
    });
}

/** The anchors that headings get on the usual hosts. */
export function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.*)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-'),
  );
}
