/** Environment variables as a process gets them; flags override them, by the variable's name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The one place that touches `process.env`: a copy, so that nothing changes under the reader. */
export function readEnvironment(): Environment {
  return { ...process.env };
}
