/** What errors and reasons are called on the page. */
import type { MachineError, Trouble } from '../machine/errors';
import type { ErrorCode } from '../machine/records';
import { typeName } from './format';

// Of each code that the module has, checked as a type: a new one without a title fails the check.
const TITLES: Record<ErrorCode | Exclude<Trouble, 'module'>, string> = {
  invalid_request: 'The service does not take this',
  unknown_command: 'This version of the module cannot do that',
  command_not_allowed: 'Not allowed by this service',
  out_of_scope: 'Outside what this service may see',
  not_configured: 'Not configured',
  state_unavailable: 'The service cannot use its folder',
  key_rejected: 'Viam rejects the API key',
  key_lacks_permission: 'The API key may not read this',
  cooldown_active: 'Sent already a short time ago',
  charge_limit_exceeded: 'More than the charge limits allow',
  charge_blocked: 'An unknown charge comes first',
  result_too_large: 'Too large for one answer',
  idempotency_conflict: 'This key is another charge’s',
  not_found: 'Not found',
  cloud_rejected: 'Viam’s cloud refuses this',
  cloud_unreachable: 'Viam’s cloud cannot be reached',
  cloud_timeout: 'Viam’s cloud does not answer in time',
  cloud_rate_limited: 'Viam’s cloud asks for fewer calls',
  cloud_unimplemented: 'Viam’s cloud cannot do that',
  cloud_error: 'Viam’s cloud had an error',
  charge_outcome_unknown: 'It is not known whether it was charged',
  internal_error: 'The module had an error',
  unreachable: 'The machine cannot be reached',
  no_service: 'No billing service on this machine',
  login: 'The machine refuses this login',
};

/** A newer module may have codes that this page does not know. */
export function titleOf({ code }: Pick<MachineError, 'code'>): string {
  return wordOf(TITLES, code, 'This did not work');
}

/** The page's words for a value; for one that only a newer module has, the value itself, readable. */
export function wordOf(
  words: Readonly<Record<string, string>>,
  value: string,
  other = typeName(value),
): string {
  return Object.hasOwn(words, value) ? (words[value] ?? other) : other;
}

/** Why an older answer stands in, by `stale_reason`. */
export function staleReason(reason: string | undefined): string {
  return reason === 'cloud_timeout' || reason === 'cloud_rate_limited'
    ? TITLES[reason]
    : 'Viam’s cloud is away';
}
