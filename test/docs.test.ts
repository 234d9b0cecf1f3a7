import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { RunConfig } from '../contracts/config.ts';
import { tokenize } from './helpers/imports.ts';
import { anchorsOf, code, relativeLinks, shellLines, tableRows } from './helpers/markdown.ts';
import { isSource, listRepository, REPOSITORY, readRepositoryFile } from './helpers/source-tree.ts';

const files = listRepository();
const pages = files.filter((file) => file.endsWith('.md') && !file.startsWith('test/fixtures/'));

/** Commands that the pages tell people to type → the test that runs them. */
const COMMANDS: Readonly<Record<string, string>> = {
  'npm run demo': 'test/cli/demo.service.test.ts',
  'npm test': 'test/run.test.ts',
  'npm run -s sbom': 'test/sbom.test.ts',
  'npm run -s parity': 'test/bench/parity.runtime.test.ts',
  'npm run bench': 'test/bench/bench.alone.service.test.ts',
  'npm run chaos': 'test/cli/resume-proof.service.test.ts',
  'npx samflow verify-resume': 'test/cli/resume-proof.service.test.ts',
  'npm run bench -- engine': 'test/bench/engine.runtime.test.ts',
  'npm run pretrain': 'test/models/pretrain.runtime.test.ts',
  'npx samflow codec-server': 'test/cli/codec-server.test.ts',
  'npx samflow plan': 'test/cli/plan.runtime.test.ts',
  'npx samflow run': 'test/cli/run.alone.service.test.ts',
  'npx samflow pause': 'test/cli/control.service.test.ts',
  'npx samflow resume': 'test/cli/control.service.test.ts',
  'npx samflow stop': 'test/cli/control.service.test.ts',
  'npx samflow extend': 'test/cli/control.service.test.ts',
  'npx samflow cancel': 'test/cli/control.service.test.ts',
  'npx samflow dev': 'test/cli/session.service.test.ts',
  'npx samflow status': 'test/cli/session.service.test.ts',
  'npx samflow explain': 'test/cli/lineage.service.test.ts',
  'npx samflow rerun': 'test/cli/lineage.service.test.ts',
  'npx samflow gc': 'test/cli/lineage.service.test.ts',
  'npx samflow delete': 'test/cli/lineage.service.test.ts',
  'npx samflow why': 'test/cli/lineage.service.test.ts',
  'npx samflow inspect': 'test/cli/inspect.test.ts',
  'npx samflow infer': 'test/cli/session.service.test.ts',
  'npx samflow export': 'test/cli/export.service.test.ts',
  'npx samflow schedule create': 'test/cli/schedule.service.test.ts',
  'npx samflow models': 'test/cli/schedule.service.test.ts',
  'npx samflow promote': 'test/cli/schedule.service.test.ts',
  'npx samflow schedule list': 'test/cli/schedule.service.test.ts',
  'npx samflow schedule trigger': 'test/cli/schedule.service.test.ts',
  'npx samflow schedule delete': 'test/cli/schedule.service.test.ts',
};

describe('every page', () => {
  it('links to pages and headings that exist', () => {
    const broken = pages.flatMap((page) =>
      relativeLinks(readRepositoryFile(page)).flatMap(({ path: target, anchor }) => {
        const file = target === '' ? page : path.posix.join(path.posix.dirname(page), target);
        const isFolder = files.some((known) => known.startsWith(`${file.replace(/\/$/, '')}/`));
        if (!files.includes(file) && !isFolder) return [`${page} → ${target}`];
        const known = anchor === null || anchorsOf(readRepositoryFile(file)).includes(anchor);
        return known ? [] : [`${page} → ${target}#${anchor}`];
      }),
    );
    assert.deepEqual(broken, []);
  });

  it('is reachable from the README', () => {
    const reached = new Set(['README.md']);
    for (const page of reached) {
      for (const { path: target } of relativeLinks(readRepositoryFile(page))) {
        const file = path.posix.join(path.posix.dirname(page), target);
        if (pages.includes(file)) reached.add(file);
        if (pages.includes(`${file.replace(/\/$/, '')}/README.md`)) reached.add(`${file.replace(/\/$/, '')}/README.md`);
      }
    }
    assert.deepEqual(
      pages.filter((page) => !reached.has(page)),
      [],
    );
  });
});

describe('the commands of README and how-tos', () => {
  const guides = pages.filter((page) => page === 'README.md' || page.startsWith('docs/how-to/'));
  const typed = guides.flatMap((page) =>
    shellLines(readRepositoryFile(page))
      .filter((line) => /^(npm|npx|samflow)\b/.test(line))
      .map((line) => ({ page, line })),
  );
  const patternOf = (line: string): string | undefined =>
    Object.keys(COMMANDS)
      .filter((pattern) => line === pattern || line.startsWith(`${pattern} `))
      .sort((a, b) => b.length - a.length)[0];

  it('are each run by a test', () => {
    assert.ok(typed.length > 0, 'no command found');
    assert.deepEqual(
      typed.filter(({ line }) => !patternOf(line)),
      [],
    );
  });

  it('are in the table only while a page names them', () => {
    const named = new Set(typed.map(({ line }) => patternOf(line)));
    assert.deepEqual(
      Object.keys(COMMANDS).filter((pattern) => !named.has(pattern)),
      [],
    );
  });

  for (const [command, file] of Object.entries(COMMANDS)) {
    it(`\`${command}\` is run by ${file}`, () => {
      assert.ok(files.includes(file), `${file} does not exist`);
      const word = command.split(' ').findLast((part) => /^[a-z]+$/.test(part))!;
      assert.match(readRepositoryFile(file), new RegExp(`\\b${word}\\b`), `${file} does not name ${word}`);
    });
  }
});

/** A schema of the run configuration, as JSON Schema shows it. */
interface Schema {
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  oneOf?: Schema[];
  anyOf?: Schema[];
  enum?: string[];
  const?: string;
  default?: unknown;
}
interface Key {
  key: string;
  fallback: string;
  words: string[];
}

/** Keys with a value of their own, with their default as the page writes it and the words they accept. */
function keysOf(schema: Schema, key: string, fallback: string): Key[] {
  const variants = schema.oneOf ?? schema.anyOf;
  if (variants) {
    const own = variants.flatMap((variant) => keysOf(variant, key, fallback));
    return own
      .filter((one, i) => own.findIndex((other) => other.key === one.key) === i)
      .map((one) => ({ ...one, words: own.flatMap((other) => (other.key === one.key ? other.words : [])) }));
  }
  if (schema.items?.properties) return keysOf(schema.items, `${key}[]`, 'none');
  if (!schema.properties) return [{ key, fallback, words: schema.enum ?? (schema.const ? [schema.const] : []) }];
  return Object.entries(schema.properties).flatMap(([name, value]) => {
    const missing = schema.required?.includes(name) ? 'required' : 'none';
    const own = value.default === undefined ? missing : String(value.default);
    return keysOf(value, key === '' ? name : `${key}.${name}`, own);
  });
}

describe('the configuration reference', () => {
  const page = readRepositoryFile('docs/reference/config.md');
  const rows = tableRows(page).map((cells) => cells.map(code));
  const documented = new Map(rows.filter((cells) => cells.length === 4).map((cells) => [cells[0]!, cells] as const));
  const keys = keysOf(z.toJSONSchema(RunConfig, { io: 'input' }) as Schema, '', 'none');

  it('has a row for each key of the schema, and no other', () =>
    assert.deepEqual([...documented.keys()].sort(), keys.map(({ key }) => key).sort()));

  it('states the default that the schema has', () =>
    assert.deepEqual(
      keys.map(({ key }) => `${key}: ${documented.get(key)?.[1]}`),
      keys.map(({ key, fallback }) => `${key}: ${fallback}`),
    ));

  it('names each word that a key accepts', () => {
    const missing = keys.flatMap(({ key, words }) =>
      words.filter((word) => !documented.get(key)?.[2]?.includes(word)).map((word) => `${key}: ${word}`),
    );
    assert.deepEqual(missing, []);
  });

  it('has a row for each environment variable that is read, and no other', () => {
    const sources = files.filter((file) => isSource(file) && /^(contracts|cli|workers|infra)\//.test(file));
    const read = sources.flatMap((file) =>
      [...readRepositoryFile(file).matchAll(/^\s+(SAMFLOW_[A-Z0-9_]+): z|\benv\.(SAMFLOW_[A-Z0-9_]+)/gm)].map(
        (match) => (match[1] ?? match[2])!,
      ),
    );
    const named = rows.filter((cells) => cells[0]!.startsWith('SAMFLOW_')).map((cells) => cells[0]!);
    assert.deepEqual(named.sort(), [...new Set(read)].sort());
  });

  it('shows an example that the schema accepts', async () => {
    const { parse } = await import('yaml');
    const example = /```yaml\n([\s\S]*?)```/.exec(page)![1]!;
    assert.doesNotThrow(() => RunConfig.parse(parse(example)));
  });
});

describe('the list of error codes', () => {
  /** Words in capitals that are not codes of ours: environment variables, codes of Node and of servers, values of the AWS client. */
  const OTHERS = /^(SAMFLOW|TEMPORAL_(ADDRESS|PROFILE|CONFIG|NAMESPACE|UI)|AWS|ERR|NODE|ORT|ONNXRUNTIME|WHEN|Z)(_|$)/;
  /** Files of failures that are no faults; their codes may be one word. */
  const FAILURES = ['contracts/failure-codes.ts', 'cli/run-failure.ts'];
  const codesOf = (file: string): string[] => {
    const tokens = tokenize(readRepositoryFile(file));
    return tokens.flatMap(({ kind, text }, i) => {
      const word = text.slice(1, -1);
      const isFault = tokens[i - 2]?.text.toLowerCase().endsWith('fault') && tokens[i - 1]?.text === '(';
      const pattern = isFault || FAILURES.includes(file) ? /^[A-Z][A-Z0-9_]{4,}$/ : /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/;
      return kind === 'string' && pattern.test(word) && !OTHERS.test(word) ? [word] : [];
    });
  };
  const thrown = new Set(
    files
      .filter((file) => isSource(file) && /^(lib|cli|codec|activities|workflows|workers|contracts|infra)\//.test(file))
      .flatMap(codesOf),
  );
  const rows = tableRows(readRepositoryFile('docs/reference/errors.md'));
  const listed = rows.map((cells) => code(cells[0]!));

  it('has a row for each code in the source, and no other', () => {
    assert.ok(thrown.size > 20, 'hardly any code was found');
    const missing = [...thrown].filter((word) => !listed.includes(word));
    const idle = listed.filter((word, i) => !thrown.has(word) || listed.indexOf(word) !== i);
    assert.deepEqual({ missing, idle }, { missing: [], idle: [] });
  });

  it('says for each what is wrong and what helps', () => {
    for (const cells of rows) {
      assert.equal(cells.length, 3, cells[0]);
      assert.ok(
        cells.every((cell) => cell.length > 2),
        cells[0],
      );
    }
  });
});

describe('the command line reference', () => {
  const page = readRepositoryFile('docs/reference/cli.md');
  const helpOf = (command: readonly string[]): string => {
    const { stdout } = spawnSync(process.execPath, ['cli/samflow.mjs', ...command, '--help'], {
      cwd: REPOSITORY,
      encoding: 'utf8',
    });
    return stdout;
  };
  /** Commands in the order of the help, those of a group with the group's name before them. */
  const commandsOf = (group: readonly string[]): string[][] => {
    const list = /^Commands:\n((?: {2}.*\n?)+)/m.exec(helpOf(group))?.[1] ?? '';
    const names = [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)]
      .map((match) => match[1]!)
      .filter((name) => name !== 'help');
    return names.flatMap((name) => [[...group, name], ...commandsOf([...group, name])]);
  };
  const flagsOf = (text: string): string[] => [...new Set(text.match(/(?<![\w-])--[a-z][a-z-]*/g))].sort();
  const commands = commandsOf([]);
  const sections = new Map(
    page
      .split(/^(?=## )/m)
      .slice(1)
      .map((text) => [/^## samflow ([a-z -]*[a-z])/.exec(text)![1]!, text] as const),
  );

  it('has a section for each command, and no other', () => {
    const leaves = commands.filter(
      (one) => !commands.some((other) => other.length > one.length && other[0] === one[0]),
    );
    assert.deepEqual([...sections.keys()].sort(), leaves.map((words) => words.join(' ')).sort());
  });

  for (const words of commands) {
    it(`lists the options of samflow ${words.join(' ')}`, () => {
      const rows = tableRows(sections.get(words.join(' ')) ?? '').map(([cell]) => cell!);
      // Other flags may stand in the descriptions: an option is what a line begins with.
      const named = helpOf(words).match(/^ {2}(?:-\w, )?--[a-z][a-z-]*/gm) ?? [];
      const flags = flagsOf(named.join('\n')).filter((flag) => flag !== '--help');
      if (sections.has(words.join(' '))) assert.deepEqual(flagsOf(rows.join('\n')), flags);
      else assert.deepEqual(flags, [], 'options of a group without a section');
    });
  }

  it('lists the exit codes', () => {
    const codes = [...readRepositoryFile('cli/exit-codes.ts').matchAll(/: (\d+),/g)].map((match) => match[1]!);
    const listed = tableRows(page).flatMap(([cell]) => (/^\d+$/.test(cell!) ? [cell!] : []));
    assert.deepEqual(listed, codes);
  });
});

describe('the changelog', () => {
  it('has an entry for the version of package.json', () => {
    const { version } = JSON.parse(readRepositoryFile('package.json'));
    assert.match(readRepositoryFile('CHANGELOG.md'), new RegExp(`^## \\[${version.replaceAll('.', '\\.')}\\]`, 'm'));
  });
});

describe('the decisions', () => {
  it('are numbered without gaps and listed', () => {
    const records = files.filter((file) => /^docs\/decisions\/\d/.test(file)).map((file) => path.posix.basename(file));
    assert.deepEqual(
      records.map((file) => Number(file.slice(0, 4))),
      records.map((_, i) => i + 1),
    );
    const listed = relativeLinks(readRepositoryFile('docs/decisions/README.md')).map((link) => link.path);
    assert.deepEqual(
      records.filter((file) => !listed.includes(file)),
      [],
    );
  });
});
