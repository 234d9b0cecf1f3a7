export function nodeProblem(version?: string, wanted?: string): string | null;
export function isInstalled(stamp?: string, lockfile?: string): boolean;
