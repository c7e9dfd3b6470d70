/** What was destroyed is in no table, in no dump taken afterwards, and after VACUUM in no row of a page. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { type House, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';
import { ALL, assertRefused, callsOf } from './calls.ts';

const test = suite('destroying');
let house: House;
let calls: ReturnType<typeof callsOf>;

test.before(async () => {
  house = await startHouse();
  calls = callsOf(house);
  await house.allow([{ path_pattern: 'app/**', permissions: ALL }]);
});
test.after(() => house.stop());

interface Sealed {
  readonly version: number;
  readonly ciphertext: Buffer | null;
  readonly wrapped_key: Buffer | null;
  readonly key_id: string | null;
  readonly destroyed_at: Date | null;
  readonly unreadable_at: Date | null;
}

function stored(path: string): Promise<readonly Sealed[]> {
  return house.sql<Sealed>(
    `SELECT v.* FROM secrets s JOIN secret_versions v ON v.tenant_id = s.tenant_id AND v.secret_id = s.id
     WHERE s.path = $1 ORDER BY v.version`,
    [path],
  );
}

/** Everything that a backup of the database holds, as text: bytea in hexadecimal. */
async function dump(): Promise<string> {
  const { stdout } = await promisify(execFile)('pg_dump', ['--no-owner', house.databaseUrl], { maxBuffer: 1 << 28 });
  return stdout;
}

/** The files of a table and of what it keeps out of line, as they lie on the disk after a kind of VACUUM. */
async function fileOf(table: string, vacuum: string): Promise<Buffer> {
  await house.sql(`${vacuum} ${table}`);
  await house.sql('CHECKPOINT');
  const files = await house.sql<{ bytes: Buffer }>(
    `SELECT pg_read_binary_file(pg_relation_filepath(f.oid)) AS bytes
     FROM pg_class c, unnest(ARRAY[c.oid, c.reltoastrelid]) AS f(oid) WHERE c.oid = $1::regclass`,
    [table],
  );
  return Buffer.concat(files.map(({ bytes }) => bytes));
}

const PAGE = 8_192;
const HEADER = 24;

/** What the line pointers of all pages lead to, as the PostgreSQL manual describes a page (section 73.6). */
function rowsOf(file: Buffer): Buffer {
  const rows: Buffer[] = [];
  for (let start = 0; start < file.length; start += PAGE) {
    const page = file.subarray(start, start + PAGE);
    const lower = page.readUInt16LE(12);
    for (let at = HEADER; at < lower; at += 4) {
      const pointer = page.readUInt32LE(at);
      const [offset, flags, length] = [pointer & 0x7fff, (pointer >>> 15) & 3, pointer >>> 17];
      if (flags === 1) rows.push(page.subarray(offset, offset + length));
    }
  }
  return Buffer.concat(rows);
}

const bytesOf = (rows: readonly Sealed[]) =>
  rows.flatMap(({ ciphertext, wrapped_key }) => [ciphertext, wrapped_key]).filter((bytes) => bytes !== null);

test('versions: wrap and ciphertext are gone, what they were stays known', async () => {
  for (const a of [1, 2, 3]) await calls.put('app/some', { a });
  const before = await stored('app/some');
  const answer = await calls.destroy('app/some', [3, 1]);
  assert.is(answer.status, 200, answer.text);
  assert.equal(answer.body, {
    path: 'app/some',
    current_version: 3,
    versions_destroyed: [1, 3],
    unrecoverable_after: null,
  });
  assert.equal(await calls.states('app/some'), ['3 destroyed!', '2 superseded', '1 destroyed!']);
  for (const target of ['app/some', 'app/some?version=1', 'app/some?version=3']) {
    const read = await calls.get(target);
    assertRefused(read, 404, 'version_not_found');
    assert.is(read.body.error.details.current_version, 3);
  }
  assert.is((await calls.get('app/some?version=2')).body.data.a, 2);
  for (const row of await stored('app/some')) {
    const is = row.version === 2 ? assert.is.not : assert.is;
    is(row.ciphertext, null);
    is(row.wrapped_key, null);
    is(row.key_id, null);
  }
  const text = await dump();
  const gone = bytesOf(before.filter(({ version }) => version !== 2));
  assert.is(gone.length, 4);
  for (const bytes of gone) assert.not(text.includes(bytes.toString('hex')));
  for (const bytes of bytesOf(before.filter(({ version }) => version === 2))) {
    assert.ok(text.includes(bytes.toString('hex')), 'what was kept is in the dump: the search finds what is there');
  }
});

test('a version once, and all of a call or none', async () => {
  for (const a of [1, 2]) await calls.put('app/all', { a });
  const missing = await calls.destroy('app/all', [1, 7, 2, 9]);
  assertRefused(missing, 404, 'version_not_found');
  assert.equal(missing.body.error.details, { versions: [7, 9], current_version: 2 });
  assert.equal(await calls.states('app/all'), ['2 current', '1 superseded']);
  assert.equal((await calls.destroy('app/all', [1])).body.versions_destroyed, [1]);
  assert.equal((await calls.destroy('app/all', [1, 2])).body.versions_destroyed, [2], 'done again, it is as done');
  assert.is((await calls.put('app/all', { a: 3 })).body.version, 3, 'numbers go on');
});

test('a deleted secret with all its versions destroyed cannot be brought back', async () => {
  for (const a of [1, 2]) await calls.put('app/none', { a });
  await calls.remove('app/none');
  await calls.destroy('app/none', [1]);
  assert.is((await calls.undelete('app/none')).status, 200, 'one is left');
  await calls.remove('app/none');
  await calls.destroy('app/none', [2]);
  const answer = await calls.undelete('app/none');
  assertRefused(answer, 404, 'version_not_found');
  assert.match(answer.body.error.message, /nothing can be brought back/);
  assertRefused(await calls.put('app/none', { a: 3 }), 409, 'secret_exists');
  assert.is((await calls.shred('app/none')).body.version_count, 0);
  assertRefused(await calls.undelete('app/none'), 404, 'secret_not_found');
  assertRefused(await calls.rollback('app/none', 1), 404, 'secret_not_found');
});

test('a whole secret: nothing of it is in a dump, and nothing there decrypts to it', async () => {
  const word = 'a-value-that-nobody-else-has';
  for (const n of [1, 2, 3]) await calls.put('app/whole', { word, n, long: 'x'.repeat(n === 2 ? 100_000 : 1) });
  const sealed = await stored('app/whole');
  const [{ id } = { id: '' }] = await house.sql<{ id: string }>("SELECT id FROM secrets WHERE path = 'app/whole'");
  const before = await dump();
  assert.is(bytesOf(sealed).length, 6);
  for (const bytes of bytesOf(sealed)) assert.ok(before.includes(bytes.toString('hex')));
  assert.not(before.includes(word));

  await calls.shred('app/whole');
  const after = await dump();
  for (const bytes of bytesOf(sealed)) {
    // No part of it either: the middle, and the tag at the end. It begins with the name of a key.
    const hex = bytes.toString('hex');
    const middle = hex.length / 2;
    for (const part of [hex.slice(middle, middle + 32), hex.slice(-32)]) assert.not(after.includes(part));
  }
  assert.not(after.includes(id), 'without its id no ciphertext opens');
});

test('a row that is let go of holds zero bytes already', async () => {
  for (const a of [1, 2]) await calls.put('app/zeroed', { a, long: 'z'.repeat(5_000) });
  const [one, two] = await stored('app/zeroed');
  await house.sql(`CREATE TABLE let_go (n serial, version integer, wrapped_key bytea, ciphertext bytea);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO let_go (version, wrapped_key, ciphertext) VALUES (OLD.version, OLD.wrapped_key, OLD.ciphertext);
      RETURN NULL;
    END $$;
    CREATE TRIGGER note AFTER UPDATE OR DELETE ON secret_versions FOR EACH ROW EXECUTE FUNCTION note()`);
  await calls.destroy('app/zeroed', [1]);
  await calls.shred('app/zeroed');
  await house.sql('DROP TRIGGER note ON secret_versions');
  const seen = await house.sql<Sealed>('SELECT version, wrapped_key, ciphertext FROM let_go ORDER BY n');
  const zeroed = (row: Sealed) => ({
    version: row.version,
    wrapped_key: Buffer.alloc(row.wrapped_key!.length),
    ciphertext: Buffer.alloc(row.ciphertext!.length),
  });
  const full = ({ version, wrapped_key, ciphertext }: Sealed) => ({ version, wrapped_key, ciphertext });
  const empty = { version: 1, wrapped_key: null, ciphertext: null };
  const [first, second, third, ...removed] = seen;
  assert.equal([first, second, third], [full(one!), zeroed(one!), full(two!)]);
  assert.equal(
    [...removed].sort((a, b) => a.version - b.version),
    [empty, zeroed(two!)],
  );
});

test('after VACUUM no row of a page holds its bytes, and after VACUUM FULL the file does not', async () => {
  const long = 'y'.repeat(3_000);
  for (const n of [1, 2, 3, 4]) for (const path of ['app/paged', 'app/stays']) await calls.put(path, { n, long });
  await calls.put('app/paged', { short: 1 });
  const part = (bytes: Buffer) => bytes.subarray(-40);
  const gone = bytesOf(await stored('app/paged')).map(part);
  const kept = bytesOf(await stored('app/stays')).map(part);
  const before = rowsOf(await fileOf('secret_versions', 'VACUUM'));
  for (const bytes of [...gone, ...kept]) assert.ok(before.includes(bytes));
  await calls.destroy('app/paged', [1, 2]);
  await calls.shred('app/paged');
  const rows = rowsOf(await fileOf('secret_versions', 'VACUUM'));
  for (const bytes of gone) assert.not(rows.includes(bytes));
  for (const bytes of kept) assert.ok(rows.includes(bytes));
  const file = await fileOf('secret_versions', 'VACUUM FULL');
  for (const bytes of gone) assert.not(file.includes(bytes));
  for (const bytes of kept) assert.ok(file.includes(bytes));
});

test('takes a list of versions that secrets can have', async () => {
  await calls.put('app/bad', { a: 1 });
  const bad = [undefined, null, 1, '1', [], [0], [-1], [1.5], ['1'], [1, 1], [2_147_483_648], [null], [[1]]];
  for (const versions of [...bad, Array.from({ length: 101 }, (_, n) => n + 1)]) {
    assertRefused(await calls.destroy('app/bad', versions), 422, 'validation_error');
  }
  assertRefused(await calls.ask('POST', 'app/bad:destroy', { versions: [1], all: true }), 422, 'validation_error');
  assertRefused(await calls.destroy('app/nothing', [1]), 404, 'secret_not_found');
  assert.equal(await calls.states('app/bad'), ['1 current']);
});

test('without protection it needs no more than delete', async () => {
  const open = await startHouse({ DESTROY_PROTECTION: 'false' });
  try {
    const { put, destroy, shred } = callsOf(open);
    await open.allow([{ path_pattern: 'app/**', permissions: ['write', 'delete'] }]);
    await put('app/a', { a: 1 });
    assert.is((await destroy('app/a', [1])).status, 200);
    assert.is((await shred('app/a')).status, 200);
  } finally {
    await open.stop();
  }
});

test.run();
