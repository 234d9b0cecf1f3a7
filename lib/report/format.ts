/** Numbers as the report writes them. No `Intl`: its output differs between Node builds, and bytes must not. */

/** A Dice or IoU value, e.g. `0.934`. */
export function score(value: number): string {
  return value.toFixed(3);
}

/** A signed difference of scores, e.g. `+0.222`; no sign where it rounds to zero. */
export function change(value: number): string {
  return signed(value, 3);
}

/** A change of any metric with its sign, e.g. `−3.4`; no sign where it rounds to zero. */
export function signed(value: number, digits: number): string {
  const size = Math.abs(value).toFixed(digits);
  if (Number(size) === 0) return size;
  return (value > 0 ? '+' : '\u2212') + size;
}

/** A p value, e.g. `0.031`, `< 0.001`; a dash where there is none. */
export function pValue(value: number | null): string {
  if (value === null) return '–';
  return value < 0.001 ? '< 0.001' : value.toFixed(3);
}

/** A whole number with thousands separated, e.g. `1,234,567`. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 slice`, `2 slices`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** Powers of 1000, as disks and S3 bills count: `512 B`, `3.2 MB`. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let size = value;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${unit === 0 || size >= 99.5 ? size.toFixed(0) : size.toFixed(1)} ${units[unit]}`;
}

/** `0.42 s`, `12.3 s`, `4 min 05 s`, `2 h 03 min`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`;
}

/** The first 12 digits of a digest: enough to find it, short enough to read. */
export function shortHash(sha256: string): string {
  return sha256.slice(0, 12);
}
