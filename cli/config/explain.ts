import type { z } from 'zod';
import { Fault } from '../../lib/fault.ts';
import { nearest } from './nearest.ts';
import { keysAt } from './schema-keys.ts';

type Issue = z.core.$ZodIssue;

export const configFault = (at: string, found: string, expected: string, fix: string): Fault =>
  new Fault('CONFIG', { at, found, expected, fix });

/** Turns what zod says about a configuration into one sentence with the key, what stands there and the way out. */
export function explainIssue(issue: Issue, config: unknown, schema: z.ZodType): Fault {
  const at = keyOf(issue.path) || 'config';
  const found = show(valueAt(config, issue.path));
  switch (issue.code) {
    case 'unrecognized_keys': {
      const key = issue.keys[0]!;
      const allowed = keysAt(schema, issue.path, config);
      const guess = nearest(key, allowed);
      const fix = guess ? `Did you mean \`${guess}\`?` : 'Remove the key';
      const place = keyOf([...issue.path, key]);
      return configFault(place, 'a key that samflow does not know', `one of ${allowed.join(', ')}`, fix);
    }
    case 'invalid_union': {
      const inner = innerIssue(issue, valueAt(config, issue.path));
      if (inner) return explainIssue({ ...inner, path: [...issue.path, ...inner.path] } as Issue, config, schema);
      return notAnOption(at, valueAt(config, issue.path), optionsOf(issue));
    }
    case 'invalid_value':
      return notAnOption(at, valueAt(config, issue.path), issue.values.map(String));
    case 'custom':
      return configFault(at, 'a contradiction', issue.message, `Correct \`${at}\``);
    default: {
      const missing = valueAt(config, issue.path) === undefined;
      return configFault(
        at,
        missing ? 'nothing' : found,
        expectedOf(issue),
        `${missing ? 'Add' : 'Correct'} \`${at}\``,
      );
    }
  }
}

function notAnOption(at: string, value: unknown, options: readonly string[]): Fault {
  const guess = nearest(String(value), options);
  const expected = options.length === 1 ? `\`${options[0]}\`` : `one of ${options.join(', ')}`;
  return configFault(at, show(value), expected, guess ? `Did you mean \`${guess}\`?` : `Correct \`${at}\``);
}

/** The words that a union allows: those of its discriminator, or of a branch that is a list of words. */
function optionsOf(issue: Extract<Issue, { code: 'invalid_union' }>): string[] {
  const words = issue.errors.flatMap((branch) =>
    branch.flatMap((inner) => (inner.code === 'invalid_value' ? inner.values : [])),
  );
  return [...((issue as { options?: unknown[] }).options ?? words)].map(String);
}

const keyOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text ? `${text}.${String(key)}` : String(key)),
    '',
  );

function valueAt(config: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], config);
}

/** A value as a person wrote it, in a few words. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return `\`${value.length > 40 ? `${value.slice(0, 40)}…` : value}\` (text)`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'a section';
  return `\`${String(value)}\``;
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  array: 'a list',
  object: 'a section',
  boolean: 'true or false',
};

function expectedOf(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPES[issue.expected] ?? issue.expected;
    case 'too_small':
    case 'too_big': {
      const bound = String(issue.code === 'too_small' ? issue.minimum : issue.maximum);
      const side = issue.code === 'too_small' ? 'least' : 'most';
      if (issue.origin === 'string') return `at ${side} ${bound} character(s)`;
      if (issue.origin === 'array') return `at ${side} ${bound} entry(ies)`;
      return issue.inclusive === false ? `${side === 'least' ? 'more' : 'less'} than ${bound}` : `at ${side} ${bound}`;
    }
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`;
    case 'invalid_format':
      if (issue.format === 'url') return 'an address that starts with http:// or https://';
      if (issue.format === 'includes') return `\`${(issue as { includes?: string }).includes}\` in it`;
      return issue.message;
    default:
      return issue.message;
  }
}

/** Of a union's branches, the complaint of the one that was meant: the only one that got further than the value's kind. */
function innerIssue(issue: Extract<Issue, { code: 'invalid_union' }>, value: unknown): Issue | null {
  if (typeof value !== 'object' || value === null) return null;
  const deeper = issue.errors.map((branch) => branch[0]).filter((first) => first !== undefined);
  return deeper.find((first) => first.path.length > 0 || first.code === 'unrecognized_keys') ?? null;
}
