import type { Database, Queryable, SqlValue, Statement, Transaction } from './database.ts';

/** Gets the seconds from sending a statement, or a COMMIT, to its answer. */
export type Observe = (seconds: number) => void;

/** The same database; `observe` is told how long each statement took, failed ones included. */
export function measuredDatabase(db: Database, observe: Observe): Database {
  const timed = async <T>(work: () => Promise<T>): Promise<T> => {
    const sent = performance.now();
    try {
      return await work();
    } finally {
      observe((performance.now() - sent) / 1000);
    }
  };
  const query =
    (to: Queryable) =>
    <Row extends object>(statement: Statement, values?: readonly SqlValue[]) =>
      timed(() => to.query<Row>(statement, values));
  const transaction = (tx: Transaction): Transaction => ({ query: query(tx), commit: () => timed(() => tx.commit()) });
  return {
    query: query(db),
    transaction: (work) => db.transaction((tx) => work(transaction(tx))),
    poolStatus: () => db.poolStatus(),
    close: () => db.close(),
  };
}
