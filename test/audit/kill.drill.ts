import { suite } from '../support/suite.ts';
import { migrated } from './fixtures.ts';
import { killWriters } from './killing.ts';

const ROUNDS = Math.max(20, Math.round(100 * Number(process.env.DRILL_SCALE ?? 1)));
const test = suite('the audit log of many killed processes', { timeoutMs: 550_000 });

test(`is whole after ${ROUNDS} times kill -9`, async () => {
  const database = await migrated();
  await killWriters(database, ROUNDS);
  await database.drop();
});

test.run();
