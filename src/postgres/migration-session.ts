/** One connection that the migrator has to itself. */
export interface MigrationSession {
  query(text: string, values: readonly (string | number)[]): Promise<readonly Record<string, unknown>[]>;
  /** Several statements, without values. */
  script(text: string): Promise<void>;
  close(): Promise<void>;
}
