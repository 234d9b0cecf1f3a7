import pc from 'picocolors';

/** Colours of tables, where the terminal has any: cli-table3 does not ask. */
export const tableStyle = (): { style: { head: string[]; border: string[] } } => ({
  style: pc.isColorSupported ? { head: ['bold'], border: ['gray'] } : { head: [], border: [] },
});
