import { parse } from 'yaml';
import { configFault } from './explain.ts';

const KEY = /^[A-Za-z_][\w-]*(\.(\d+|[A-Za-z_][\w-]*))*$/;

/** Lays one `--set a.b.0.c=value` over a configuration. The value is read as YAML: numbers, true, [lists], "text". */
export function assign(config: Record<string, unknown>, setting: string): void {
  const at = setting.indexOf('=');
  const path = setting.slice(0, at);
  if (at < 1 || !KEY.test(path)) {
    throw configFault('--set', `\`${setting}\``, 'key=value', 'Write e.g. --set training.epochs=5');
  }
  const keys = path.split('.');
  const last = keys.pop()!;
  let parent: Record<string, unknown> = config;
  for (const key of keys) {
    const child = parent[key] ?? {};
    if (typeof child !== 'object' || child === null) {
      throw configFault(`--set ${path}`, `\`${key}\`, which is a single value`, 'a section', 'Set the key itself');
    }
    parent[key] = child;
    parent = child as Record<string, unknown>;
  }
  parent[last] = readValue(setting.slice(at + 1));
}

function readValue(text: string): unknown {
  try {
    return parse(text, { uniqueKeys: true }) ?? '';
  } catch {
    return text;
  }
}
