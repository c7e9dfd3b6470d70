/** The life of a secret against a model of it: one call after the other, and many at once. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { type House, startHouse } from '../http/house.ts';
import type { Answer } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { ALL, callsOf } from './calls.ts';

const test = suite('the life of a secret');
let house: House;
let calls: ReturnType<typeof callsOf>;
let paths = 0;
const newPath = () => `app/s${++paths}`;

test.before(async () => {
  house = await startHouse();
  calls = callsOf(house);
  await house.allow([{ path_pattern: 'app/**', permissions: ALL }]);
});
test.after(() => house.stop());

type Step =
  | { readonly call: 'put' | 'patch'; readonly cas: number | null; readonly max: number | null }
  | { readonly call: 'remove' | 'shred' | 'undelete' }
  | { readonly call: 'destroy'; readonly version: number }
  | { readonly call: 'rollback'; readonly version: number }
  | { readonly call: 'limit'; readonly max: number };

const versionNumber = fc.integer({ min: 1, max: 6 });
const limit = fc.integer({ min: 0, max: 4 });
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      call: fc.constantFrom('put' as const, 'patch' as const),
      cas: fc.option(fc.integer({ min: 0, max: 6 }), { freq: 2 }),
      max: fc.option(limit, { freq: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ call: fc.constantFrom('remove' as const, 'shred' as const, 'undelete' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('destroy' as const), version: versionNumber }) },
  { weight: 2, arbitrary: fc.record({ call: fc.constant('rollback' as const), version: versionNumber }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('limit' as const), max: limit }) },
);

function perform(path: string, step: Step, n: number): Promise<Answer> {
  switch (step.call) {
    case 'put':
    case 'patch': {
      const options = {
        ...(step.cas === null ? {} : { cas: step.cas }),
        ...(step.max === null ? {} : { max_versions: step.max }),
      };
      return step.call === 'put' ? calls.put(path, { n }, options) : calls.patch(path, { [`p${n}`]: n }, options);
    }
    case 'destroy':
      return calls.destroy(path, [step.version]);
    case 'rollback':
      return calls.rollback(path, step.version);
    case 'limit':
      return calls.patchMetadata(path, { options: { max_versions: step.max } });
    default:
      return calls[step.call](path);
  }
}

interface Version {
  value: Record<string, number> | null;
  readable: boolean;
}

/** What a secret is to its users, in a few lines and without a database. */
class Model {
  versions: Version[] = [];
  deleted = false;
  max = 10;

  get current(): number {
    return this.versions.length;
  }

  #append(value: Record<string, number>, max: number | null): string {
    if (this.current === 0) this.max = 10;
    this.max = max ?? this.max;
    this.versions.push({ value: { ...value }, readable: true });
    this.#pushOut();
    return `${this.current === 1 ? 201 : 200} ${this.current}`;
  }

  #pushOut(): void {
    if (this.max === 0) return;
    const readable = this.versions.filter((version) => version.readable);
    for (const version of readable.slice(0, -this.max)) version.readable = false;
  }

  /** The status and, of a new version, its number. */
  expect(step: Step, n: number): string {
    const at = (version: number) => this.versions[version - 1] ?? { value: null, readable: false };
    if (step.call === 'put') {
      if (this.deleted) return '409';
      if (step.cas !== null && step.cas !== this.current) return '409';
      return this.#append({ n }, step.max);
    }
    if (this.current === 0) return '404';
    switch (step.call) {
      case 'patch': {
        if (this.deleted) return '409';
        if (step.cas !== null && step.cas !== this.current) return '409';
        const { value, readable } = at(this.current);
        return value === null || !readable ? '404' : this.#append({ ...value, [`p${n}`]: n }, step.max);
      }
      case 'rollback': {
        if (this.deleted) return '409';
        const { value } = at(step.version);
        return value === null ? '404' : this.#append(value, null);
      }
      case 'limit':
        if (this.deleted) return '409';
        this.max = step.max;
        this.#pushOut();
        return '200';
      case 'remove':
        if (this.deleted) return '404';
        this.deleted = true;
        return '200';
      case 'shred':
        this.versions = [];
        this.deleted = false;
        return '200';
      case 'undelete':
        if (!this.deleted) return '409';
        if (this.versions.every(({ value }) => value === null)) return '404';
        this.deleted = false;
        return '200';
      case 'destroy':
        if (step.version > this.current) return '404';
        this.versions[step.version - 1] = { value: null, readable: false };
        return '200';
    }
  }

  states(): readonly string[] {
    return this.versions
      .map(({ value, readable }, index) => {
        const state =
          value === null
            ? 'destroyed'
            : this.deleted
              ? 'deleted'
              : index + 1 === this.current
                ? 'current'
                : 'superseded';
        return `${index + 1} ${state}${readable && !this.deleted ? '' : '!'}`;
      })
      .reverse();
  }
}

test('one call after the other: every answer, every state and every value is the model’s', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 25 }), async (script) => {
      const path = newPath();
      const model = new Model();
      for (const [n, step] of script.entries()) {
        const expected = model.expect(step, n);
        const { status, body, text } = await perform(path, step, n);
        const isNew = ['put', 'patch', 'rollback'].includes(step.call) && status < 300;
        assert.is(isNew ? `${status} ${body.version}` : `${status}`, expected, `${n} ${JSON.stringify(step)} ${text}`);
      }
      if (model.current === 0) return assert.is((await calls.versions(path)).status, 404);
      assert.equal(await calls.states(path), model.states());
      for (const [index, { value, readable }] of model.versions.entries()) {
        const { status, body } = await calls.get(`${path}?version=${index + 1}`);
        if (readable && !model.deleted) assert.equal(body.data, value);
        else assert.is(status, 404);
      }
    }),
    { numRuns: 10, interruptAfterTimeLimit: 6_000 },
  );
});

/** Runs callers side by side, each one step after the other. */
async function crowd(path: string, scripts: readonly (readonly Step[])[]) {
  const done: { readonly step: Step; readonly answer: Answer }[] = [];
  await Promise.all(
    scripts.map(async (script, caller) => {
      for (const [n, step] of script.entries()) {
        done.push({ step, answer: await perform(path, step, caller * 1_000 + n) });
      }
    }),
  );
  for (const { step, answer } of done) {
    assert.ok([200, 201, 404, 409].includes(answer.status), `${JSON.stringify(step)} ${answer.status} ${answer.text}`);
  }
  const succeeded = done.filter(({ answer }) => answer.status < 300);
  const written = succeeded.filter(({ step }) => ['put', 'patch', 'rollback'].includes(step.call));
  return { succeeded, written, versions: written.map(({ answer }) => answer.body.version as number) };
}

const storedVersions = async (path: string) =>
  (
    await house.sql<{ version: number; current_version: number }>(
      `SELECT v.version, s.current_version FROM secrets s
       JOIN secret_versions v ON v.tenant_id = s.tenant_id AND v.secret_id = s.id WHERE s.path = $1 ORDER BY v.version`,
      [path],
    )
  ).map(({ version, current_version }) => `${version}/${current_version}`);

const scripts = (filter: (step: Step) => boolean) =>
  fc.array(fc.array(steps.filter(filter), { minLength: 4, maxLength: 8 }), { minLength: 4, maxLength: 8 });

test('many at once: version numbers are consecutive, none lost and none given twice', async () => {
  await fc.assert(
    fc.asyncProperty(
      scripts(({ call }) => call !== 'shred'),
      async (all) => {
        const path = newPath();
        await calls.put(path, { n: 0 }, { max_versions: 0 });
        const { written, versions } = await crowd(path, all);
        const expected = Array.from({ length: versions.length }, (_, n) => n + 2);
        assert.equal(
          [...versions].sort((a, b) => a - b),
          expected,
        );
        assert.equal(
          await storedVersions(path),
          [1, ...expected].map((version) => `${version}/${versions.length + 1}`),
        );
        for (const { step, answer } of written) {
          if ('cas' in step && step.cas !== null) assert.is(answer.body.version, step.cas + 1);
        }
      },
    ),
    { numRuns: 4, interruptAfterTimeLimit: 6_000 },
  );
});

test('many at once, with the path made free again and again: each life counts from 1', async () => {
  await fc.assert(
    fc.asyncProperty(
      scripts(({ call }) => call !== 'undelete'),
      async (all) => {
        const path = newPath();
        const { succeeded, written, versions } = await crowd(path, all);
        const lives = written.filter(({ answer }) => answer.status === 201).length;
        const ends = succeeded.filter(({ step }) => step.call === 'shred').length;
        const times = (version: number) => versions.filter((each) => each === version).length;
        assert.is(times(1), lives);
        // As many secrets have ended as have begun, but for the one that may be there.
        assert.ok(lives - ends === 0 || lives - ends === 1, `${lives} began, ${ends} ended`);
        for (let version = 1; version <= Math.max(0, ...versions); version++) {
          assert.ok(times(version) >= times(version + 1), `version ${version + 1} without one before it`);
        }
        const stored = await storedVersions(path);
        assert.is(stored.length > 0, lives > ends);
        assert.equal(
          stored,
          stored.map((_, index) => `${index + 1}/${stored.length}`),
        );
      },
    ),
    { numRuns: 4, interruptAfterTimeLimit: 6_000 },
  );
});

test.run();
