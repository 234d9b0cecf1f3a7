// Entry of a session's thread: makes TypeScript loadable where Node does not do so itself, then runs the real thing.
import { register } from 'tsx/esm/api';

if (!process.features.typescript) register();
await import('./session-thread.ts');
