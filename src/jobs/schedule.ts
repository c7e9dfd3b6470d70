import { errorFields, type Log } from '../telemetry/log.ts';

/** Work that nobody waits for. It must be safe to run in several processes at once, and to be cut off at any point. */
export interface Job {
  readonly name: string;
  readonly everyMs: number;
  /** Also run when the server stops, for what only this process knows. */
  readonly atStop?: boolean;
  run(): Promise<unknown>;
}

export interface Schedule {
  /** No run begins any more; resolves when those under way have ended and those `atStop` were done. */
  stop(): Promise<void>;
}

/**
 * Runs each job again and again, never beside itself. A failure is logged and the next turn tries again: what a job
 * does is worth doing late, and no reason not to serve.
 */
export function startJobs(jobs: readonly Job[], log: Pick<Log, 'error'>): Schedule {
  const running = new Map<Job, Promise<void>>();
  const start = (job: Job): Promise<void> => {
    const known = running.get(job);
    if (known !== undefined) return known;
    const run = job
      .run()
      .catch((error: unknown) => log.error({ step: job.name, ...errorFields(error) }, 'a background job failed'))
      .then(() => {
        running.delete(job);
      });
    running.set(job, run);
    return run;
  };
  const timers = jobs.map((job) => setInterval(() => void start(job), job.everyMs).unref());
  return {
    async stop() {
      for (const timer of timers) clearInterval(timer);
      await Promise.all(running.values());
      await Promise.all(jobs.filter((job) => job.atStop).map(start));
    },
  };
}
