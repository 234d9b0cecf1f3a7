export function tierOf(file: string): 'pure' | 'runtime' | 'service';
export function readTotals(tap: string, exitCode: number): { passed: number; failed: number; skipped: number };
