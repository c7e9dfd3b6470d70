/** A strict reader of the text format of Prometheus (0.0.4), written from its specification. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Exposition {
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
  /** The value of the one series with this name and these labels; undefined when there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
  /** The sum over all series of a name with at least these labels. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN|\+Inf)$/s;
const PAIR = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y;
const UNESCAPED: Readonly<Record<string, string>> = { '\\\\': '\\', '\\"': '"', '\\n': '\n' };

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < text.length) {
    const at = PAIR.lastIndex;
    const [, name = '', value = ''] = PAIR.exec(text) ?? [];
    if (name === '') throw new Error(`labels that nobody can read at ${at}: ${text}`);
    if (name in labels) throw new Error(`label ${name} twice: ${text}`);
    labels[name] = value.replace(/\\[\\"n]/g, (sequence) => UNESCAPED[sequence] ?? sequence);
  }
  return labels;
}

/** @throws Error when it is not of the format: an unknown line, a series twice, a sample without its TYPE above it */
export function parseExposition(text: string): Exposition {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  const seen = new Set<string>();
  let family = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP (\S+) \S.*$/s.exec(line);
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
    if (help !== null) continue;
    if (type !== null) {
      family = type[1]!;
      if (types.has(family)) throw new Error(`${family} is declared twice`);
      types.set(family, type[2]!);
      continue;
    }
    const [, name = '', labelText = '', number = ''] = LINE.exec(line) ?? [];
    if (name === '') throw new Error(`not of the format: ${line}`);
    const base = types.get(family) === 'histogram' ? name.replace(/_(bucket|sum|count)$/, '') : name;
    if (base !== family) throw new Error(`${name} stands under ${family}`);
    const labels = parseLabels(labelText);
    const key = `${name} ${JSON.stringify(Object.entries(labels).sort())}`;
    if (seen.has(key)) throw new Error(`${key} twice`);
    seen.add(key);
    samples.push({ name, labels, value: Number(number.replace('Inf', 'Infinity')) });
  }
  const matching = (name: string, labels: Readonly<Record<string, string>>) =>
    samples.filter(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
  return {
    types,
    samples,
    value: (name, labels = {}) =>
      matching(name, labels).find((sample) => Object.keys(sample.labels).length === Object.keys(labels).length)?.value,
    sum: (name, labels = {}) => matching(name, labels).reduce((total, { value }) => total + value, 0),
  };
}
