/**
 * What each command answers. A value that is not known is left out.
 * Made by `npm run types` from the module's own records: do not edit.
 */
import type { UsageSource, Projection, BudgetStanding, FleetOrganization, ErrorShown, FleetLocation,
    HistoryPoint, TypeChange, Invoice, Aging, PaymentCard, BankAccount, Address, ChargeEntry, AuditedAttempt,
    FailedAddress, CommandHelp, Journal } from './records';
export type { Requests } from './requests';
export interface Answers {
  get_current_month_usage: { start_date?: string; end_date?: string; resource_usage_costs_by_source:
    (UsageSource)[]; subtotal: number; as_of: string; stale: boolean; stale_reason?: "cloud_rate_limited" |
    "cloud_timeout" | "cloud_unreachable"; org_id: string; cost_by_type: Record<string, number>; projection?:
    Projection };
  get_location_usage: { as_of: string; stale: boolean; stale_reason?: "cloud_rate_limited" | "cloud_timeout" |
    "cloud_unreachable"; location_id: string; billing_organization_id: string; month_to_date: number;
    cost_by_type: Record<string, number>; projection?: Projection; start_date?: string; end_date?: string;
    budget?: BudgetStanding };
  get_fleet_usage: { organizations: (FleetOrganization)[]; locations: (FleetLocation)[]; total_month_to_date?:
    number; failed_count: number; complete: boolean; out_of_scope_count?: number; as_of?: string; stale:
    boolean; stale_reason?: "cloud_rate_limited" | "cloud_timeout" | "cloud_unreachable" };
  check_budget: { as_of: string; stale: boolean; stale_reason?: "cloud_rate_limited" | "cloud_timeout" |
    "cloud_unreachable"; org_id?: string; location_id?: string; billing_organization_id?: string;
    month_to_date: number; status: "exceeded" | "ok" | "warning"; monthly_budget: number; used_fraction:
    number; projected_status?: "exceeded" | "ok" | "warning"; thresholds_crossed: (number)[]; newly_crossed:
    (number)[]; projected_thresholds_crossed: (number)[]; newly_projected: (number)[] };
  get_usage_history: { org_id: string; location_id?: string; points: (HistoryPoint)[]; as_of?: string; stale?:
    boolean; stale_reason?: "cloud_rate_limited" | "cloud_timeout" | "cloud_unreachable" };
  compare_usage: { as_of: string; stale: boolean; stale_reason?: "cloud_rate_limited" | "cloud_timeout" |
    "cloud_unreachable"; org_id?: string; location_id?: string; billing_organization_id?: string;
    month_to_date: number; by_type: (TypeChange)[]; previous_month_to_date?: number; change?: number;
    change_fraction?: number; previous_total?: number };
  get_invoices_summary: { outstanding_balance: number; invoices: (Invoice)[]; as_of: string; stale: boolean;
    stale_reason?: "cloud_rate_limited" | "cloud_timeout" | "cloud_unreachable"; org_id: string;
    total_invoices: number; overdue_count: number; overdue_balance: number; aging: Aging;
    failed_payment_count: number };
  get_invoice_pdf: { as_of: string; stale: boolean; stale_reason?: "cloud_rate_limited" | "cloud_timeout" |
    "cloud_unreachable"; invoice_id: string; org_id: string; size_bytes: number; sha256: string;
    content_base64?: string; path?: string };
  send_payment_required_email: { customer_org_id?: string; billing_owner_org_id?: string; sent?: true; dry_run?:
    true; would_send?: Record<string, unknown> };
  get_org_billing_information: { type: string | number; billing_email: string; method?: PaymentCard;
    method_us_bank_account?: BankAccount; billing_tier?: string; as_of: string; stale: boolean; stale_reason?:
    "cloud_rate_limited" | "cloud_timeout" | "cloud_unreachable"; org_id: string };
  get_available_billing_tiers: { tiers: (string)[]; as_of: string; stale: boolean; stale_reason?:
    "cloud_rate_limited" | "cloud_timeout" | "cloud_unreachable" };
  update_organization_billing_tier: { organization_id?: string; billing_tier?: string; previous_billing_tier?:
    string; changed?: boolean; dry_run?: true; would_send?: Record<string, unknown> };
  get_location_billing_organization: { billing_organization_id?: string; as_of: string; stale: boolean;
    stale_reason?: "cloud_rate_limited" | "cloud_timeout" | "cloud_unreachable"; location_id: string };
  update_location_billing_organization: { location_id?: string; billing_organization_id?: string;
    previous_billing_organization_id?: string; changed?: boolean; dry_run?: true; would_send?: Record<string,
    unknown> };
  get_billing_service_config: { billing_address?: Address; support_email: string; logo_url: string;
    billing_dashboard_url: string; as_of: string; stale: boolean; stale_reason?: "cloud_rate_limited" |
    "cloud_timeout" | "cloud_unreachable"; org_id: string };
  organization_get_support_email: { email: string; as_of: string; stale: boolean; stale_reason?:
    "cloud_rate_limited" | "cloud_timeout" | "cloud_unreachable"; org_id: string };
  organization_get_logo: { url: string; as_of: string; stale: boolean; stale_reason?: "cloud_rate_limited" |
    "cloud_timeout" | "cloud_unreachable"; org_id: string };
  enable_billing_service: { org_id?: string; changed?: boolean; billing_address?: Address; dry_run?: true;
    would_send?: Record<string, unknown> };
  update_billing_service: { org_id?: string; changed?: boolean; billing_address?: Address; dry_run?: true;
    would_send?: Record<string, unknown> };
  disable_billing_service: { org_id?: string; changed?: boolean; dry_run?: true; would_send?: Record<string,
    unknown> };
  organization_set_support_email: { org_id?: string; changed?: boolean; email?: string; dry_run?: true;
    would_send?: Record<string, unknown> };
  organization_set_logo: { org_id?: string; size_bytes?: number; url?: string; dry_run?: true; would_send?:
    Record<string, unknown> };
  charge_organization: { idempotency_key?: string; command?: string; state?: "failed" | "reserved" | "sent" |
    "succeeded" | "unknown"; org_id?: string; total?: number; created_at?: string; attempts?: number;
    reconcilable: boolean; sent_at?: string; invoice_id?: string; error?: ErrorShown; note?: string;
    late_invoice?: string; candidates?: (string)[]; checked_at?: string; replayed?: boolean; dry_run?: true;
    would_send?: Record<string, unknown> };
  create_invoice_and_charge_immediately: { idempotency_key?: string; command?: string; state?: "failed" |
    "reserved" | "sent" | "succeeded" | "unknown"; org_id?: string; total?: number; created_at?: string;
    attempts?: number; reconcilable: boolean; sent_at?: string; invoice_id?: string; error?: ErrorShown;
    note?: string; late_invoice?: string; candidates?: (string)[]; checked_at?: string; replayed?: boolean;
    dry_run?: true; would_send?: Record<string, unknown> };
  get_charge: { idempotency_key: string; command: string; state: "failed" | "reserved" | "sent" | "succeeded" |
    "unknown"; org_id: string; total: number; created_at: string; attempts: number; reconcilable: boolean;
    sent_at?: string; invoice_id?: string; error?: ErrorShown; note?: string; late_invoice?: string;
    candidates?: (string)[]; checked_at?: string; payment_status?: string; as_of?: string; stale?: boolean;
    stale_reason?: "cloud_rate_limited" | "cloud_timeout" | "cloud_unreachable" };
  list_charges: { charges: (ChargeEntry)[] };
  reconcile_charges: { settled: (ChargeEntry)[]; still_unknown: (ChargeEntry)[] };
  resolve_charge: { idempotency_key: string; command: string; state: "failed" | "reserved" | "sent" |
    "succeeded" | "unknown"; org_id: string; total: number; created_at: string; attempts: number;
    reconcilable: boolean; sent_at?: string; invoice_id?: string; error?: ErrorShown; note?: string;
    late_invoice?: string; candidates?: (string)[]; checked_at?: string };
  get_audit_log: { entries: (AuditedAttempt)[] };
  test_alert: { sent: number; failed: (FailedAddress)[] };
  help: { version: string; commands: Record<string, CommandHelp> };
  get_status: { version: string; connected: boolean; last_success?: string; last_error?: string; cloud_calls:
    number; logins: number; retries: number; cache_hits: number; cache_misses: number; stale_answers: number;
    unknown_charges?: number; charged_last_24h?: number; journal?: Journal; allowed_commands: (string)[] };
  check_access: { api_key_id: string; app_address: string; authenticated?: boolean; calls: Record<string,
    string>; as_of?: string; stale?: boolean };
}
export type Command = keyof Answers;
