'use strict';

// The floors of the house (ARCHITECTURE.md), from the top down. A file may import from floors below its own. Rooms on
// one floor do not know each other, except the domains of which one may use another's service (`DOMAINS`).
const FLOORS = [
  ['bin'],
  ['commands'],
  ['src/http'],
  ['src/secrets', 'src/policy', 'src/identity', 'src/audit', 'src/ratelimit'],
  ['src/keys'],
  ['src/kms', 'src/postgres', 'src/redis', 'src/jobs'],
  ['src/config', 'src/telemetry'],
  ['src/contract'],
  ['src/lib'],
];

// Each domain may use those after it in its line, through their `service.ts` alone.
const DOMAINS = ['src/secrets', 'src/policy', 'src/identity', 'src/audit'];
const ALONE = ['src/ratelimit'];

// A package that only one room may know.
const PACKAGES = {
  pg: ['src/postgres'],
  '@electric-sql/pglite': ['src/postgres'],
  'postgres-shift': ['src/postgres'],
  ioredis: ['src/redis'],
  jose: ['src/identity'],
  undici: ['src/identity'],
  'find-my-way': ['src/http'],
  pino: ['src/telemetry'],
  pkcs11js: ['src/kms'],
  commander: ['bin', 'commands'],
};

const inside = (rooms) => `^(${rooms.join('|')})/`;
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

const upward = FLOORS.slice(1).map((rooms, index) =>
  rule(
    `no-way-up-from-${rooms[0].replace('src/', '')}`,
    'A floor does not know the floors above it.',
    { path: inside(rooms) },
    { path: inside(FLOORS.slice(0, index + 1).flat()) },
  ),
);

const sideways = FLOORS.flatMap((rooms) =>
  rooms.map((room) =>
    rule(
      `no-way-across-from-${room.replace('src/', '')}`,
      'Rooms on one floor do not know each other; domains only those after them in order.',
      { path: inside([room]) },
      { path: inside(neighbours(room, rooms)) },
    ),
  ),
).filter(({ to }) => to.path !== inside([]));

function neighbours(room, rooms) {
  const allowed = DOMAINS.includes(room) ? DOMAINS.slice(DOMAINS.indexOf(room) + 1) : [];
  return rooms.filter((other) => other !== room && !allowed.includes(other));
}

const packages = Object.entries(PACKAGES).map(([name, rooms]) =>
  rule(
    `package-${name.replace(/^@/, '').replace('/', '-')}`,
    `Only ${rooms.join(' and ')} may know this package.`,
    { path: '^(bin|commands|src)/', pathNot: inside(rooms) },
    { path: `(^|/)node_modules/(@types/)?${name}/` },
  ),
);

module.exports = {
  forbidden: [
    ...upward,
    ...sideways,
    ...packages,
    rule(
      'services-only',
      'A domain uses another domain through its service.ts.',
      { path: `^(${DOMAINS.join('|')})/` },
      { path: inside([...DOMAINS, ...ALONE]), pathNot: [`^$1/`, '/service[.]ts$'] },
    ),
    rule(
      'known-rooms-only',
      'A new room needs its floor in FLOORS.',
      { path: '^(bin|commands|src)/' },
      { path: '^(bin|commands|src)/', pathNot: inside(FLOORS.flat()) },
    ),
    rule('no-circles', 'No file needs itself, also not for types.', {}, { circular: true }),
    rule(
      'no-unresolvable',
      'Every import leads somewhere. The optional package may be missing: not every machine can compile it.',
      {},
      { couldNotResolve: true, pathNot: '^pkcs11js$' },
    ),
    rule(
      'no-development-packages',
      'What is shipped uses packages that are shipped.',
      { path: '^(bin|commands|src)/' },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'no-test-code',
      'What is shipped does not need tests or scripts.',
      { path: '^(bin|commands|src)/' },
      {
        path: '^(test|scripts)/',
      },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
