/** A migrator as a process of its own, to be killed: `node migrator.ts URL DIRECTORY`. Says what it applies. */
import { migrate } from '../../src/postgres/migrate.ts';
import { RELEASE, withSession } from './fixtures.ts';

const [url = '', directory = ''] = process.argv.slice(2);
await withSession(url, (session) =>
  migrate(session, directory, RELEASE, {
    waiting: (seconds) => console.log(`waiting ${seconds}`),
    applying: ({ folder }) => console.log(`applying ${folder}`),
  }),
);
