// Loaded into a worker before its own code. CLOCK_JUMPS_MS: by so much its clock is off, another number every four seconds.
// BLOCKED_MS: at SIGUSR2 the main thread does nothing else for so long.
import { isMainThread } from 'node:worker_threads';

const JUMP_EVERY_MS = 4_000;
const jumps = (process.env.CLOCK_JUMPS_MS ?? '').split(',').filter(Boolean).map(Number);
const now = Date.now;
if (jumps.length > 0) {
  const jumped = () => now() + jumps[Math.floor(now() / JUMP_EVERY_MS) % jumps.length];
  Date.now = jumped;
  globalThis.Date = new Proxy(Date, {
    construct: (target, args, made) => Reflect.construct(target, args.length === 0 ? [jumped()] : args, made),
  });
}

const blockedMs = Number(process.env.BLOCKED_MS ?? 0);
if (isMainThread && blockedMs > 0) {
  process.on('SIGUSR2', () => {
    for (const end = now() + blockedMs; now() < end; );
  });
}
