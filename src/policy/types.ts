import type { BindingId, PolicyId, PolicyName } from '../contract/names.ts';
import type { Subject } from '../contract/principal.ts';
import type { RuleText, RuleWarning } from './rules.ts';

/** A policy as its author sees it. */
export interface PolicyDocument {
  readonly id: PolicyId;
  readonly name: PolicyName;
  readonly description: string;
  readonly scope: 'tenant' | 'partner';
  readonly isActive: boolean;
  readonly version: number;
  /** As stored; another release may have put more into them. */
  readonly rules: readonly unknown[];
  readonly warnings: readonly RuleWarning[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface NewPolicy {
  readonly name: PolicyName;
  readonly description: string;
  readonly isActive: boolean;
  readonly rules: readonly RuleText[];
}

export interface Binding {
  readonly id: BindingId;
  readonly policyId: PolicyId;
  readonly subject: Subject;
  /** As it was asked for. */
  readonly identityId: string;
  readonly expiresAt: Date | null;
  readonly createdAt: Date;
}

export interface NewBinding {
  readonly identityType: Subject['kind'];
  readonly identityId: string;
  readonly expiresAt: Date | null;
}
