/** A policy in the language of AWS, as far as those in infra/iam use it. */
export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}
export interface Policy {
  readonly Version: string;
  readonly Statement: readonly Statement[];
}

/** What a request is, to a policy: an action on a resource, under keys of which some are absent. */
export interface Asked {
  readonly action: string;
  readonly resource: string;
  readonly keys: Readonly<Record<string, string | undefined>>;
}

const listOf = (one: string | readonly string[]): readonly string[] => (typeof one === 'string' ? [one] : one);

/** `*` stands for any number of characters, slashes too. */
export const matches = (pattern: string, text: string): boolean =>
  new RegExp(`^${pattern.split('*').map(escaped).join('.*')}$`).test(text);
const escaped = (text: string): string => text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');

/** Every action on every resource that a policy speaks of. */
export const grantsOf = ({ Statement }: Policy): { action: string; resource: string }[] =>
  Statement.flatMap(({ Action, Resource }) =>
    listOf(Action).flatMap((action) => listOf(Resource).map((resource) => ({ action, resource }))),
  );

/** The three operators of the bucket's policy. A negated one holds where its key is absent, as AWS has it. */
const OPERATORS: Readonly<Record<string, (found: string | undefined, wanted: string) => boolean>> = {
  Bool: (found, wanted) => found === wanted,
  Null: (found, wanted) => (found === undefined) === (wanted === 'true'),
  StringNotEquals: (found, wanted) => found !== wanted,
};

/** Whether a statement is about a request: action, resource and every condition. */
export const applies = ({ Action, Resource, Condition = {} }: Statement, { action, resource, keys }: Asked): boolean =>
  listOf(Action).some((pattern) => matches(pattern, action)) &&
  listOf(Resource).some((pattern) => matches(pattern, resource)) &&
  Object.entries(Condition).every(([operator, wanted]) =>
    Object.entries(wanted).every(([key, value]) => OPERATORS[operator]!(keys[key], value)),
  );
