import { type PartnerId, parsePartnerId, parseTenantId, type TenantId } from '../../contract/names.ts';
import { isScope, type Scope } from '../../contract/scopes.ts';
import { list } from './basic.ts';
import { Invalid, type Kind, kind } from './kind.ts';

const ID_FORM = 'an id: a letter or digit, then letters, digits, ".", "_" or "-", at most 128 characters';

export const tenantId: Kind<TenantId> = kind(ID_FORM, parseTenantId);
export const partnerId: Kind<PartnerId> = kind(ID_FORM, parsePartnerId);

/** The one who becomes super_admin: a person by verified e-mail address, or a subject by its id. */
export type Administrator =
  | { readonly kind: 'email' /** In lower case. */; readonly value: string }
  | { readonly kind: 'sub'; readonly value: string };

// ASCII only: two addresses that look alike must not both match (spec 12, "The first super admin").
const EMAIL = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}$/;

export const administrator: Kind<Administrator> = kind('an e-mail address in ASCII, or sub:ID', (value) => {
  const sub = /^sub:(\S{1,255})$/.exec(value)?.[1];
  if (sub !== undefined) return { kind: 'sub', value: sub };
  return EMAIL.test(value) ? { kind: 'email', value: value.toLowerCase() } : null;
});

/** A JSON pointer (RFC 6901) as the member names to walk, from the outermost. */
export const jsonPointer: Kind<readonly string[]> = kind('a JSON pointer such as /realm_access/roles', (value) => {
  if (!/^(?:\/(?:[^~/]|~[01])*)+$/.test(value)) return null;
  return value
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
});

const ANY_AUDIENCE = '*';
const audienceNames = list(
  kind('a name', (value) => value),
  { form: 'names, separated by commas, or * alone' },
);

/** `['*']` accepts any audience, by name. */
export const audience: Kind<readonly string[]> = {
  form: audienceNames.form,
  parse: (value) => {
    const names = audienceNames.parse(value);
    if (names?.includes(ANY_AUDIENCE) && names.length > 1)
      throw new Invalid('has * beside other names: * stands alone');
    return names;
  },
};

const scope: Kind<Scope> = kind('a scope of ScaiVault such as secrets:read', (value) =>
  isScope(value) ? value : null,
);

export const scopes: Kind<readonly Scope[]> = list(scope, {
  form: 'scopes, separated by commas or spaces',
  separator: /\s*,\s*|\s+/,
});

/** From the provider's names to ours. Without a prototype, so that no name of a token finds what nobody mapped. */
export type ScopeMap = Readonly<Record<string, readonly Scope[]>>;

function parseObject(value: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : null;
  } catch {
    // The parser's message quotes the text.
    return null;
  }
}

export const scopeMap: Kind<ScopeMap> = {
  form: 'a JSON object from their scope to ours (one, or a list)',
  parse: (value) => {
    const source = parseObject(value);
    if (source === null) return null;
    const map: Record<string, readonly Scope[]> = Object.create(null);
    for (const [index, [name, target]] of Object.entries(source).entries()) {
      const targets: readonly unknown[] = Array.isArray(target) ? target : [target];
      const ours = targets.filter((item): item is Scope => typeof item === 'string' && isScope(item));
      if (ours.length < targets.length)
        throw new Invalid(`member ${index + 1} names a scope that ScaiVault does not have`);
      map[name] = ours;
    }
    return map;
  },
};
