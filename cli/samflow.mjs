#!/usr/bin/env node
// The command: makes TypeScript loadable where Node does not do so itself, then runs the real one.
if (!process.features.typescript) (await import('tsx/esm/api')).register();
const { main } = await import('./main.ts');

process.exitCode = await main(process.argv);
