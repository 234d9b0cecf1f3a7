// Entry of a thread that decodes: DICOM files in, pixels out, both moved.
import { parentPort, workerData } from 'node:worker_threads';
import { decodeFiles } from './gdcm.mjs';

parentPort.on('message', async ({ files, limitBytes }) => {
  const decoded = await decodeFiles(workerData, files, limitBytes);
  parentPort.postMessage(decoded, decoded ? [decoded.buffer] : []);
});
