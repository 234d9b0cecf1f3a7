/**
 * One value, one text: members sorted by name (UTF-16 code units, as RFC 8785 has it), no white space, numbers as
 * JavaScript prints them. So equal values have equal bytes and equal hashes.
 *
 * Members that are `undefined` are left out, as JSON does. What JSON cannot carry unchanged is an error, never a silent null.
 * @throws TypeError naming the path, e.g. `$.training.learningRate is NaN`.
 */
export function canonicalJson(value: unknown): string {
  return write(value, '$');
}

function write(value: unknown, path: string): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`canonical JSON: ${path} is ${value}`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item, index) => write(item, `${path}[${index}]`)).join(',')}]`;
  if (isPlainObject(value)) {
    const members = Object.keys(value)
      .filter((name) => value[name] !== undefined)
      .sort()
      .map((name) => `${JSON.stringify(name)}:${write(value[name], `${path}.${name}`)}`);
    return `{${members.join(',')}}`;
  }
  throw new TypeError(`canonical JSON: ${path} is ${describe(value)}`);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  // By constructor name, not identity: values also come out of other realms (workflow sandbox, worker threads).
  return prototype === null || prototype.constructor?.name === 'Object';
}

function describe(value: unknown): string {
  return typeof value === 'object' ? `a ${value?.constructor?.name ?? 'object'}` : `of type ${typeof value}`;
}
