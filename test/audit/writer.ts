/** A process that changes and reads as fast as it can and says what was acknowledged, to be killed: `node writer.ts URL` */
import { writeSync } from 'node:fs';
import { change, open, read, service } from './fixtures.ts';

const [url = ''] = process.argv.slice(2);
const audit = service(await open(url), 3);
const forEver = async (act: typeof change, kind: string) => {
  // Synchronously: what was acknowledged before the kill must be known.
  for (;;) writeSync(1, `${kind} ${await act(audit)}\n`);
};
await Promise.all([
  ...Array.from({ length: 4 }, () => forEver(change, 'c')),
  ...Array.from({ length: 4 }, () => forEver(read, 'r')),
]);
