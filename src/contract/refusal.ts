import type { AuditPart } from './audit.ts';
import { ApiError } from './errors.ts';

/** Refuses a request that was about several things: told as one error, recorded as these entries. */
export class RefusedInParts extends ApiError {
  readonly parts: readonly AuditPart[];

  constructor({ code, message, details, retryAfter }: ApiError, parts: readonly AuditPart[]) {
    super(code, {
      message,
      ...(details === undefined ? {} : { details }),
      ...(retryAfter === undefined ? {} : { retryAfter }),
    });
    this.parts = parts;
  }
}
