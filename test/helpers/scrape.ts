/** A sample of Prometheus' text format: its labels, and its value. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What an address tells Prometheus. */
export async function scrape(address: string): Promise<{ text: string; samples: Sample[] }> {
  // Without keep-alive: the server's end must not wait for us.
  const response = await fetch(`http://${address}/metrics`, { headers: { connection: 'close' } });
  const text = await response.text();
  const samples = text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((match) => [match[1]!, match[2]!]);
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
  });
  return { text, samples };
}

/** The value of the one sample, or the sum of those, with these labels. */
export const sumOf = (samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number =>
  samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);
