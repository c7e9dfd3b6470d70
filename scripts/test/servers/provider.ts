/** A server that runs for the length of the test run. */
export interface RunningServer {
  readonly url: string;
  /** Directory of the server's programs, for tests that need an instance of their own. */
  readonly binaries?: string;
  /** Stops the server and removes what it left. */
  stop(): Promise<void>;
}

/** One way to come by a server. */
export interface Provider {
  readonly name: string;
  /** The user asked for this one: when it fails, no other is tried. */
  readonly required?: boolean;
  /** Cheap: says whether `start` is worth a try. */
  available(): Promise<boolean>;
  start(): Promise<RunningServer>;
}

/** Starts the first provider that works and says which one it is. Undefined when none does. */
export async function startFirst(
  what: string,
  providers: readonly Provider[],
  say: (line: string) => void,
): Promise<RunningServer | undefined> {
  for (const provider of providers) {
    if (!(await provider.available())) continue;
    try {
      const server = await provider.start();
      say(`${what}: ${provider.name}`);
      return server;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (provider.required) throw new Error(`${what}: ${provider.name}: ${reason}`, { cause: error });
      say(`${what}: ${provider.name} failed: ${reason}`);
    }
  }
  return undefined;
}
