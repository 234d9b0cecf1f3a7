// Entry of a compute thread. tsx does not load a .ts file as a thread's entry under Node 20, so the entry is JavaScript:
// it makes TypeScript loadable where Node does not do so itself, and hands every task on to the real module.
if (!process.features.typescript) (await import('tsx/esm/api')).register();
const { runTask } = await import('./compute-thread.ts');

export default runTask;
