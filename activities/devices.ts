type Stages = Readonly<Record<string, (input: never) => Promise<unknown>>>;

/**
 * The stages of several devices as one set: an activity gets a device of its own from its beginning to its end. The one that
 * was used last comes first: its model is open already. An attempt that hangs keeps its device, so that none starts beside it.
 */
export function onDevices<T extends Stages>(devices: readonly [T, ...T[]]): T {
  if (devices.length === 1) return devices[0];
  const free = [...devices];
  const lend =
    (name: keyof T) =>
    async (input: never): Promise<unknown> => {
      const device = free.pop();
      if (!device) throw new TypeError(`${String(name)}: more activities at a time than the ${devices.length} devices`);
      try {
        return await device[name]!(input);
      } finally {
        free.push(device);
      }
    };
  return Object.fromEntries(Object.keys(devices[0]).map((name) => [name, lend(name)])) as unknown as T;
}
