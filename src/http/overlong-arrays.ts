/** The part of a schema that says how long arrays may be. */
interface Shape {
  readonly type?: string;
  readonly maxItems?: number;
  readonly items?: Shape;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly anyOf?: readonly Shape[];
}

/**
 * JSON pointers of the arrays that have more items than their schema allows, and how many those are.
 *
 * Asked before the validator, whose search for duplicates takes time by the square of their number: a megabyte of equal
 * items, where six are allowed, would stop the process for minutes.
 */
export function* overlongArrays(shape: Shape, value: unknown, pointer = ''): Generator<readonly [string, number]> {
  if (typeof value !== 'object' || value === null) return;
  const { maxItems, items, properties = {} } = concrete(shape);
  if (!Array.isArray(value)) {
    for (const [name, member] of Object.entries(properties)) {
      const part = name.replaceAll('~', '~0').replaceAll('/', '~1');
      if (Object.hasOwn(value, name)) yield* overlongArrays(member, Reflect.get(value, name), `${pointer}/${part}`);
    }
  } else if (maxItems !== undefined && value.length > maxItems) yield [pointer, maxItems];
  else if (items !== undefined) {
    for (const [index, item] of value.entries()) yield* overlongArrays(items, item, `${pointer}/${index}`);
  }
}

/** Of a value that may be null, what it is if it is not. */
function concrete(shape: Shape): Shape {
  const branches = shape.anyOf?.filter(({ type }) => type === 'array' || type === 'object') ?? [];
  return branches.length === 1 && branches[0] !== undefined ? branches[0] : shape;
}
