/** Told at the line's beginning, not among its attributes. */
const HEAD = ['time', 'level', 'pools', 'pid', 'message'];

/** One JSON line of the log as a line for people: time, level, pools, message, then `name=value`. */
export function textOfLine(json: string): string {
  const record: Record<string, unknown> = JSON.parse(json);
  const { time, level, pools, message } = record;
  const { frames, ...rest } = Object.fromEntries(Object.entries(record).filter(([name]) => !HEAD.includes(name)));
  const told = Object.entries(rest).map(([name, value]) => `${name}=${wordOf(value)}`);
  const head = `${String(time).slice(11, 23)} ${String(level).toUpperCase().padEnd(5)} [${pools}] ${message}`;
  const below = Array.isArray(frames) ? frames.map((frame) => `\n${frame}`).join('') : '';
  return `${[head, ...told].join('  ')}${below}\n`;
}

function wordOf(value: unknown): string {
  const text = Array.isArray(value) ? value.join(',') : String(value);
  return /[\s"]/.test(text) ? JSON.stringify(text) : text;
}
