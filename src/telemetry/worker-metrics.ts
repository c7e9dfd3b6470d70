/**
 * The metrics of several processes on one port (`SERVE_PROCESSES`): whichever is asked answers for all, each series with
 * the label `worker`. The process that started them passes on what they ask of each other.
 */
import cluster from 'node:cluster';

const PATIENCE_MS = 1_000;

type Message =
  /** To the starting process: I need everybody's metrics. */
  | { readonly metrics: 'ask'; readonly request: number }
  /** To the asker: so many will answer. */
  | { readonly metrics: 'expect'; readonly request: number; readonly workers: number }
  /** To everybody. */
  | { readonly metrics: 'give'; readonly request: number; readonly asker: number }
  /** Back, by way of the starting process. */
  | {
      readonly metrics: 'given';
      readonly request: number;
      readonly asker: number;
      readonly worker: number;
      readonly text: string;
    };

function isAboutMetrics(message: unknown): message is Message {
  return typeof message === 'object' && message !== null && 'metrics' in message;
}

/** In the process that starts the workers: passes their questions and answers on. */
export function relayMetrics(): void {
  const send = (id: number, message: Message) => {
    const worker = cluster.workers?.[id];
    if (worker?.isConnected()) worker.send(message);
  };
  cluster.on('message', (from, message: unknown) => {
    if (!isAboutMetrics(message)) return;
    if (message.metrics === 'given') send(message.asker, message);
    if (message.metrics !== 'ask') return;
    const { request } = message;
    const ids = Object.keys(cluster.workers ?? {}).map(Number);
    send(from.id, { metrics: 'expect', request, workers: ids.length });
    for (const id of ids) send(id, { metrics: 'give', request, asker: from.id });
  });
}

/** What has come so far for one scrape. */
interface Gathering {
  readonly texts: Map<number, string>;
  readonly done: () => void;
  expected: number;
}

/**
 * In a process that serves: makes the text of all of them, or of this one where it is alone. One that does not answer
 * within a second is left out.
 */
export function metricsOfAll(own: () => string): () => Promise<string> {
  const { worker } = cluster;
  if (worker === undefined) return async () => own();
  const gatherings = new Map<number, Gathering>();
  let requests = 0;
  process.on('message', (message: unknown) => {
    if (!isAboutMetrics(message)) return;
    const { request } = message;
    if (message.metrics === 'give') {
      worker.send({
        metrics: 'given',
        request,
        asker: message.asker,
        worker: worker.id,
        text: own(),
      } satisfies Message);
    }
    const gathering = gatherings.get(request);
    if (gathering === undefined) return;
    if (message.metrics === 'expect') gathering.expected = message.workers;
    if (message.metrics === 'given') gathering.texts.set(message.worker, message.text);
    if (gathering.texts.size === gathering.expected) gathering.done();
  });

  return async () => {
    const request = ++requests;
    const { promise, resolve } = Promise.withResolvers<void>();
    const gathering = { texts: new Map<number, string>(), done: resolve, expected: Number.POSITIVE_INFINITY };
    gatherings.set(request, gathering);
    const late = setTimeout(resolve, PATIENCE_MS);
    if (worker.isConnected()) worker.send({ metrics: 'ask', request } satisfies Message);
    else resolve();
    await promise;
    clearTimeout(late);
    gatherings.delete(request);
    return merged(gathering.texts.size === 0 ? new Map([[worker.id, own()]]) : gathering.texts);
  };
}

function labelled(sample: string, worker: number): string {
  const at = sample.search(/[{ ]/);
  const [name, rest] = [sample.slice(0, at), sample.slice(at)];
  return `${name}{worker="${worker}"${rest.startsWith('{') ? `,${rest.slice(1)}` : `}${rest}`}`;
}

/** One text out of those of several workers, each sample with the label `worker`. */
export function merged(texts: ReadonlyMap<number, string>): string {
  const families = new Map<string, { readonly head: string[]; readonly samples: string[] }>();
  for (const [worker, text] of texts) {
    let samples: string[] = [];
    for (const line of text.split('\n')) {
      const [, kind, name = ''] = /^# (HELP|TYPE) (\S+)/.exec(line) ?? [];
      if (kind !== undefined) {
        const family = families.get(name) ?? { head: [], samples: [] };
        families.set(name, family);
        if (!family.head.includes(line)) family.head.push(line);
        samples = family.samples;
      } else if (line !== '') {
        samples.push(labelled(line, worker));
      }
    }
  }
  return [...families.values()].map(({ head, samples }) => [...head, ...samples, ''].join('\n')).join('');
}
