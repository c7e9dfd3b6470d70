import * as assert from 'uvu/assert';
import { assertError, type House } from '../http/house.ts';
import type { Answer, Asked } from '../support/server.ts';

/** The calls of a secret's life, by the test's user unless a token is given. */
export function callsOf(house: House) {
  const ask = (method: string, target: string, body?: unknown, over: Asked = {}): Promise<Answer> =>
    house.ask(method, `/v1/secrets/${target}`, { ...(body === undefined ? {} : { body }), ...over });
  return {
    ask,
    get: (path: string, over?: Asked) => ask('GET', path, undefined, over),
    put: (path: string, data: object, options?: object, over?: Asked) =>
      ask('PUT', path, { data, ...(options === undefined ? {} : { options }) }, over),
    patch: (path: string, data: object, options?: object, over?: Asked) =>
      ask('PATCH', path, { data, ...(options === undefined ? {} : { options }) }, over),
    remove: (path: string, over?: Asked) => ask('DELETE', path, undefined, over),
    shred: (path: string, over?: Asked) => ask('DELETE', `${path}?permanent=true`, undefined, over),
    undelete: (path: string, over?: Asked) => ask('POST', `${path}:undelete`, undefined, over),
    destroy: (path: string, versions: unknown, over?: Asked) => ask('POST', `${path}:destroy`, { versions }, over),
    rollback: (path: string, version: unknown, over?: Asked) => ask('POST', `${path}:rollback`, { version }, over),
    metadata: (path: string, over?: Asked) => ask('GET', `${path}:metadata`, undefined, over),
    patchMetadata: (path: string, body: object, over?: Asked) => ask('PATCH', `${path}:metadata`, body, over),
    versions: (path: string, query = '', over?: Asked) => ask('GET', `${path}:versions${query}`, undefined, over),
    /** `3 current`, `2 superseded`, ... and `!` behind those that nobody can read. */
    async states(path: string): Promise<readonly string[]> {
      const { body, text } = await ask('GET', `${path}:versions`);
      assert.ok(Array.isArray(body.versions), text);
      return body.versions.map(
        (each: { version: number; state: string; readable: boolean }) =>
          `${each.version} ${each.state}${each.readable ? '' : '!'}`,
      );
    },
  };
}

export function assertRefused(answer: Answer, status: number, code: string): void {
  assert.is(answer.status, status, answer.text);
  assertError(answer.body, code);
}

export const ALL = ['read', 'write', 'delete', 'list', 'admin'];
