import { readFile } from 'node:fs/promises';
import { tasks } from '../../activities/tasks.ts';
import { ChosenSlices } from '../../contracts/config.ts';

/** Converts a scan with its mask and slices the volume, and writes the peak of this process's resident bytes (/proc, Linux only). */
const [ct, mask] = process.argv.slice(2) as [string, string];
const file = async (path: string) => ({ name: path.replace(/^.*\//, ''), bytes: await readFile(path) });
const { bytes } = await tasks.convert({ image: [await file(ct)], mask: await file(mask), labels: null });
tasks.slice({ volume: bytes, setting: ChosenSlices.parse({}) });
const status = await readFile('/proc/self/status', 'utf8');
console.log(1024 * Number(/^VmHWM:\s+(\d+)/m.exec(status)![1]));
