/**
 * Drops what no program loader reads, symbols and debugging notes, from a 64-bit little-endian ELF file. `strip` of
 * binutils does as much, but is not on every machine, and the same input must give the same bytes on all of them.
 * Offsets and names are those of elf(5).
 */

const SECTION_HEADERS_OFFSET = 0x28;
const SECTION_HEADERS_COUNT = 0x3c;
const SECTION_NAMES_INDEX = 0x3e;
const SECTION_HEADER_SIZE = 64;
const TYPE_NOBITS = 8;
const FLAG_ALLOC = 2n;
const ALIGNMENT = 16;

interface Section {
  readonly header: Buffer;
  readonly loaded: boolean;
  readonly offset: number;
  readonly end: number;
}

function section(header: Buffer): Section {
  const offset = Number(header.readBigUInt64LE(0x18));
  const size = header.readUInt32LE(0x04) === TYPE_NOBITS ? 0 : Number(header.readBigUInt64LE(0x20));
  return { header, loaded: (header.readBigUInt64LE(0x08) & FLAG_ALLOC) !== 0n, offset, end: offset + size };
}

function sections(elf: Buffer): readonly Section[] {
  const start = Number(elf.readBigUInt64LE(SECTION_HEADERS_OFFSET));
  return Array.from({ length: elf.readUInt16LE(SECTION_HEADERS_COUNT) }, (_, index) => {
    const at = start + index * SECTION_HEADER_SIZE;
    return section(elf.subarray(at, at + SECTION_HEADER_SIZE));
  });
}

/** @throws Error when something that is loaded comes after something that is not: such a file would need more work */
export function stripElf(elf: Buffer): Buffer {
  if (elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1) throw new Error('not a 64-bit ELF file');
  const all = sections(elf);
  const keptCount = all.findLastIndex(({ loaded }) => loaded) + 1;
  const kept = all.slice(0, keptCount);
  const names = all[elf.readUInt16LE(SECTION_NAMES_INDEX)];
  if (names === undefined || kept.slice(1).some(({ loaded }) => !loaded)) {
    throw new Error('the sections of this ELF file are not in the order that can be stripped here');
  }
  const end = Math.ceil(Math.max(...kept.map((each) => each.end)) / ALIGNMENT) * ALIGNMENT;
  const body = Buffer.alloc(end);
  elf.copy(body, 0, 0, end);
  const nameTable = elf.subarray(names.offset, names.end);
  const padding = Buffer.alloc((ALIGNMENT - (nameTable.length % ALIGNMENT)) % ALIGNMENT);
  const namesHeader = Buffer.from(names.header);
  namesHeader.writeBigUInt64LE(BigInt(end), 0x18);
  body.writeBigUInt64LE(BigInt(end + nameTable.length + padding.length), SECTION_HEADERS_OFFSET);
  body.writeUInt16LE(keptCount + 1, SECTION_HEADERS_COUNT);
  body.writeUInt16LE(keptCount, SECTION_NAMES_INDEX);
  return Buffer.concat([body, nameTable, padding, ...kept.map(({ header }) => header), namesHeader]);
}
