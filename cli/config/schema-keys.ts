import { z } from 'zod';

type Json = { [key: string]: Json | undefined } & {
  properties?: Record<string, Json>;
  items?: Json;
  const?: unknown;
};

/** The keys that a schema allows at a path; where it offers alternatives, those of the one that the value has chosen. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[], config: unknown): string[] {
  let nodes = alternatives(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json, config);
  let value = config;
  for (const key of path) {
    value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
    const next = nodes.map((node) => (typeof key === 'number' ? node.items : node.properties?.[String(key)]));
    nodes = next.flatMap((node) => (node ? alternatives(node, value) : []));
  }
  return [...new Set(nodes.flatMap((node) => Object.keys(node.properties ?? {})))];
}

/** A node itself, or its branches: of a discriminated union only the one whose constants agree with the value. */
function alternatives(node: Json, value: unknown): Json[] {
  const branches = (node.anyOf ?? node.oneOf) as unknown as Json[] | undefined;
  if (!branches) return [node];
  const chosen = branches.filter((branch) =>
    Object.entries(branch.properties ?? {}).every(
      ([key, { const: constant }]) =>
        constant === undefined || (value as Record<string, unknown> | undefined)?.[key] === constant,
    ),
  );
  return chosen.length > 0 ? chosen : branches;
}
