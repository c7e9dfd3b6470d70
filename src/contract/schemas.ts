/** Shapes that several routes share. The same schemas validate requests and make the OpenAPI document. */
import Type from 'typebox';

export const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()]);

/** What PostgreSQL can store as text: no NUL, no half of a surrogate pair. */
const STORABLE = '[^\\u0000\\uD800-\\uDFFF]';

/** Text that is stored and searched as it is. Lengths in characters. */
export const StoredText = (minLength: number, maxLength: number) =>
  Type.String({ pattern: `^${STORABLE}*$`, minLength, maxLength });

/** Names of members that people choose. */
export const StoredName = (maxLength: number) => Type.String({ pattern: `^${STORABLE}{1,${maxLength}}$` });

export const NoQuery = Type.Object({}, { additionalProperties: false });

/** ISO 8601 UTC; milliseconds, in audit and events microseconds. */
export const Timestamp = Type.String({ format: 'date-time', examples: ['2026-11-23T12:00:00.000Z'] });

/** Query parameters arrive as text. */
export const LimitText = Type.String({ pattern: '^(?:[1-9]\\d{0,2}|1000)$', description: '1 to 1000, default 100' });
export const CursorText = Type.String({ maxLength: 2048 });

export const ErrorBody = Type.Object({
  error: Type.Object({
    code: Type.String(),
    message: Type.String(),
    details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    request_id: Type.String(),
  }),
});
