import { suite } from '../support/suite.ts';
import { migrated } from './fixtures.ts';
import { killWriters } from './killing.ts';

const test = suite('the audit log of killed processes', { timeoutMs: 60_000 });

test('is whole after kill -9 at any moment, with all that was acknowledged', async () => {
  const database = await migrated();
  await killWriters(database, 20);
  await database.drop();
});

test.run();
