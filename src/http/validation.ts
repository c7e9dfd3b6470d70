import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { validationError } from '../contract/errors.ts';
import { overlongArrays } from './overlong-arrays.ts';

const MAX_FIELDS_SHOWN = 20;
const MAX_NAME_SHOWN = 64;

type Check = (value: unknown, root: string) => void;

interface Problem {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** `/options/cas` as `options.cas`, of a length that is fit to be shown. */
function fieldName(pointer: string, root: string): string {
  const name = pointer.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~');
  return name === '' ? root : name.slice(0, MAX_NAME_SHOWN);
}

function names(list: unknown): readonly string[] {
  return Array.isArray(list) ? list.map(String) : [];
}

/** What a field is for people, who read no regular expressions; null where its schema does not say. */
function wordsFor(schema: TSchema, pointer: string): string | null {
  const field = pointer
    .slice(1)
    .split('/')
    .reduce<unknown>((at, name) => member(member(at, 'properties'), name), schema);
  const words = member(field, 'description');
  return typeof words === 'string' ? words : null;
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

/** The rule that is broken, field by field; never the value (CVE-2025-4166). */
function explain(schema: TSchema, problem: Problem, root: string): readonly (readonly [string, string])[] {
  const at = problem.instancePath;
  switch (problem.keyword) {
    case 'boolean':
      // Said of each member that `additionalProperties: false` forbids.
      return [[fieldName(at, root), 'unknown field']];
    case 'additionalProperties':
      // Their sum, which is missing where there are many.
      return [];
    case 'required':
      return names(problem.params.requiredProperties).map((name) => [fieldName(`${at}/${name}`, root), 'required']);
    case 'pattern': {
      const words = wordsFor(schema, at);
      return [[fieldName(at, root), words === null ? problem.message : `must be: ${words}`]];
    }
    default:
      return [[fieldName(at, root), problem.message]];
  }
}

function describe(schema: TSchema, validator: Validator, value: unknown, root: string): Record<string, string> {
  const fields = validator.Errors(value).flatMap((problem) => explain(schema, problem as Problem, root));
  // The first word on a field is the most telling one.
  return Object.fromEntries(fields.slice(0, MAX_FIELDS_SHOWN).reverse());
}

function describeOverlong(arrays: readonly (readonly [string, number])[], root: string): Record<string, string> {
  const fields = arrays.slice(0, MAX_FIELDS_SHOWN);
  return Object.fromEntries(fields.map(([at, max]) => [fieldName(at, root), `must not have more than ${max} items`]));
}

/** Compiles a schema into a check that throws ApiError `validation_error` with `details.fields`. */
export function compileCheck(schema: TSchema): Check {
  const validator = Compile(schema);
  return (value, root) => {
    const overlong = [...overlongArrays(schema, value)];
    if (overlong.length > 0) throw validationError(describeOverlong(overlong, root));
    if (!validator.Check(value)) throw validationError(describe(schema, validator, value, root));
  };
}
