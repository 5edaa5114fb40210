/** What errors and reasons are called on the page. */
import type { MachineError } from '../machine/errors';

const TITLES: Record<string, string> = {
  command_not_allowed: 'Not allowed by this service',
  out_of_scope: 'Outside what this service may see',
  not_configured: 'Not configured',
  state_unavailable: 'The service cannot use its folder',
  key_rejected: 'Viam rejects the API key',
  key_lacks_permission: 'The API key may not read this',
  not_found: 'Not found',
  cloud_unreachable: 'Viam’s cloud cannot be reached',
  cloud_timeout: 'Viam’s cloud does not answer in time',
  cloud_rate_limited: 'Viam’s cloud asks for fewer calls',
  unknown_command: 'This version of the module cannot do that',
  unreachable: 'The machine cannot be reached',
  no_service: 'No billing service on this machine',
  login: 'The machine refuses this login',
};

export function titleOf(error: MachineError): string {
  return TITLES[error.code] ?? 'This did not work';
}

/** Why an older answer stands in, by `stale_reason`. */
export function staleReason(reason: string | undefined): string {
  if (reason === 'cloud_timeout') return 'Viam’s cloud does not answer in time';
  if (reason === 'cloud_rate_limited') return 'Viam’s cloud asks for fewer calls';
  return 'Viam’s cloud is away';
}
