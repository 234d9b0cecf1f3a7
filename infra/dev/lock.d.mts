export function withLock<T>(
  file: string,
  task: () => Promise<T>,
  options?: { onWait?: (seconds: number) => void; signal?: AbortSignal | undefined },
): Promise<T>;
export function isAlive(pid: number): boolean;
