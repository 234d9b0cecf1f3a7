import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseDocument } from 'yaml';
import { RunConfig, WrittenConfig } from '../../contracts/config.ts';
import { Fault } from '../../lib/fault.ts';
import { configFault, explainIssue } from './explain.ts';
import { withPreset } from './preset.ts';
import { assign } from './set-option.ts';
import { sourceOf } from './source-words.ts';

/** Reads a run configuration (YAML or JSON), with `key=value` settings over it and its preset under it. @throws Fault CONFIG_… */
export async function readConfig(file: string, settings: readonly string[] = []): Promise<RunConfig> {
  return checkConfig(await readText(file), basename(file), settings);
}

/** The same from the file's text; `at` is its name in messages. */
export function checkConfig(text: string, at: string, settings: readonly string[] = []): RunConfig {
  const written = parse(text, at);
  for (const setting of settings) {
    // One key of a source that is written in one word: the word is taken apart first.
    if (setting.startsWith('source.')) spellOut(written);
    assign(written, setting);
  }
  spellOut(written);
  const value = withPreset(written);
  const parsed = RunConfig.safeParse(value);
  if (parsed.success) return parsed.data;
  throw explainIssue(parsed.error.issues[0]!, value, WrittenConfig);
}

function spellOut(config: Record<string, unknown>): void {
  if (typeof config.source === 'string') config.source = sourceOf(config.source);
}

async function readText(file: string): Promise<string> {
  try {
    const bytes = await readFile(file);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const found =
      code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'a folder' : 'a file that cannot be read as UTF-8 text';
    const fix = 'Give the path of a YAML or JSON file, e.g. examples/phantom.yaml';
    throw new Fault('CONFIG_FILE', { at: basename(file), found, expected: 'a run configuration', fix }, { cause });
  }
}

/** JSON is YAML, so one parser reads both; a key that stands twice is an error, not a choice. */
function parse(text: string, at: string): Record<string, unknown> {
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: true });
  const [error] = document.errors;
  if (error) {
    const line = error.linePos?.[0].line;
    const found = error.message.split('\n', 1)[0]!.replace(/ at line \d+, column \d+:?$/, '');
    throw configFault(`${at}${line ? `, line ${line}` : ''}`, found, 'YAML or JSON', 'Correct the line');
  }
  const value: unknown = document.toJS();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const found = value === null ? 'an empty file' : `a ${Array.isArray(value) ? 'list' : typeof value}`;
    throw configFault(at, found, 'a mapping with name, source and dataset', 'Start from examples/phantom.yaml');
  }
  return value as Record<string, unknown>;
}
