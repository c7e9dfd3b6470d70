/**
 * Counts and measures, and how Prometheus reads them (text format 0.0.4). Own code, as `docs/decisions` says: what is
 * counted at every request must cost nanoseconds, so whoever counts keeps the series in hands and adds to a field.
 *
 * Label values come from lists of ours (routes, statuses, categories) or are bounded by whoever gives them: nothing that
 * a caller writes becomes one.
 */

/** One line of the text. */
interface Sample {
  readonly suffix: string;
  readonly labels: readonly string[];
  readonly values: readonly string[];
  readonly value: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  samples(): Iterable<Sample>;
}

/** A series that only grows. */
export class Count {
  value = 0;

  add(amount = 1): void {
    this.value += amount;
  }
}

/** A series of measurements, counted by size. */
export class Measurements {
  readonly bounds: readonly number[];
  /** How many fell between the bound before and this one; the last: above all of them. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const { bounds, counts } = this;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] ?? 0)) at++;
    counts[at] = (counts[at] ?? 0) + 1;
    this.sum += value;
  }
}

/** The series of one name, by the values of its labels. */
export class Series<S> {
  readonly #labels: readonly string[];
  readonly #make: () => S;
  readonly #byValues = new Map<string, { readonly values: readonly string[]; readonly series: S }>();

  constructor(labels: readonly string[], make: () => S) {
    this.#labels = labels;
    this.#make = make;
  }

  /** The series with these label values, in the order of the labels. */
  with(...values: readonly string[]): S {
    const key = values.join('\0');
    const known = this.#byValues.get(key);
    if (known !== undefined) return known.series;
    if (values.length !== this.#labels.length) throw new Error(`${values.length} values for ${this.#labels.join()}`);
    const series = this.#make();
    this.#byValues.set(key, { values, series });
    return series;
  }

  /** Drops every series whose first label has this value. */
  forget(value: string): void {
    for (const [key, { values }] of this.#byValues) if (values[0] === value) this.#byValues.delete(key);
  }

  *all(): Iterable<readonly [readonly string[], S]> {
    for (const { values, series } of this.#byValues.values()) yield [values, series];
  }
}

/** Seconds, from a fast read to the longest request. */
export const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** What is read at the moment of asking: one number, or one for each value of a label. */
type Reading = number | ReadonlyMap<string, number>;

function* readings(label: string, reading: Reading): Iterable<Sample> {
  if (typeof reading === 'number') yield { suffix: '', labels: [], values: [], value: reading };
  else for (const [text, value] of reading) yield { suffix: '', labels: [label], values: [text], value };
}

function* histogramSamples(labels: readonly string[], series: Series<Measurements>): Iterable<Sample> {
  for (const [values, { bounds, counts, sum }] of series.all()) {
    const line = (suffix: string, value: number) => ({ suffix, labels, values, value });
    let total = 0;
    for (const [at, count] of counts.entries()) {
      total += count;
      const bound = bounds[at];
      const upTo = bound === undefined ? '+Inf' : String(bound);
      yield { suffix: '_bucket', labels: [...labels, 'le'], values: [...values, upTo], value: total };
    }
    yield line('_sum', sum);
    yield line('_count', total);
  }
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' };

function sampleLine(name: string, { suffix, labels, values, value }: Sample): string {
  const pairs = labels.map(
    (label, at) => `${label}="${(values[at] ?? '').replace(/[\\"\n]/g, (c) => ESCAPES[c] ?? c)}"`,
  );
  return `${name}${suffix}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`;
}

/** All that a process measures. */
export class Metrics {
  static readonly CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
  readonly #families = new Map<string, Family>();

  counter(name: string, help: string, labels: readonly string[] = []): Series<Count> {
    const series = new Series(labels, () => new Count());
    this.#add({
      name,
      help,
      type: 'counter',
      samples: function* () {
        for (const [values, { value }] of series.all()) yield { suffix: '', labels, values, value };
      },
    });
    return series;
  }

  histogram(
    name: string,
    help: string,
    labels: readonly string[] = [],
    bounds: readonly number[] = SECONDS,
  ): Series<Measurements> {
    const series = new Series(labels, () => new Measurements(bounds));
    this.#add({ name, help, type: 'histogram', samples: () => histogramSamples(labels, series) });
    return series;
  }

  /** What somebody else keeps, read when it is asked for. @param label names what the keys of a map are */
  reading(type: 'counter' | 'gauge', name: string, help: string, read: () => Reading, label = ''): void {
    this.#add({ name, help, type, samples: () => readings(label, read()) });
  }

  /** In the text format of Prometheus. */
  text(): string {
    let text = '';
    for (const family of this.#families.values()) {
      text += `# HELP ${family.name} ${family.help}\n# TYPE ${family.name} ${family.type}\n`;
      for (const sample of family.samples()) text += sampleLine(family.name, sample);
    }
    return text;
  }

  #add(family: Family): void {
    if (this.#families.has(family.name)) throw new Error(`two metrics named ${family.name}`);
    this.#families.set(family.name, family);
  }
}
