/** Writes into an embedded database for ever and says what is stored, to be killed: `node embedded-writer.ts DIRECTORY` */
import { writeSync } from 'node:fs';
import { statement } from '../../src/postgres/database.ts';
import { openEmbedded } from '../../src/postgres/embedded.ts';

const CREATE = statement('test.create', 'CREATE TABLE IF NOT EXISTS things (id serial PRIMARY KEY, twin integer)');
const PUT = statement('test.put', 'INSERT INTO things (twin) VALUES (NULL) RETURNING id');
const TWIN = statement('test.twin', 'UPDATE things SET twin = $1 WHERE id = $1');

const db = await openEmbedded(process.argv[2] ?? '');
await db.query(CREATE);
for (;;) {
  const id = await db.transaction(async (tx) => {
    const [row] = await tx.query<{ id: number }>(PUT);
    await tx.query(TWIN, [row?.id ?? 0]);
    return row?.id;
  });
  writeSync(1, `${id}\n`);
}
