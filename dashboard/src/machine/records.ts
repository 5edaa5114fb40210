/**
 * The records that answers are made of, and the codes of errors.
 * Made by `npm run types` from the module's own records: do not edit.
 */
export type BillingAddress = { address_line_1: string; address_line_2?: string; city: string; state: string;
    zipcode: string; country: string };
export type UsageSource = { source_type: string | number; tier_name: string; resource_usage_costs?:
    SourceCosts };
export type SourceCosts = { usage_costs: (UsageCost)[]; discount: number; total_with_discount: number;
    total_without_discount: number };
export type UsageCost = { resource_type: string | number; cost: number };
export type Projection = { total: number; method: "history" | "straight_line"; elapsed_fraction: number; low?:
    number; high?: number };
export type BudgetStanding = { status: "exceeded" | "ok" | "warning"; monthly_budget: number; used_fraction:
    number; projected_status?: "exceeded" | "ok" | "warning" };
export type FleetOrganization = { org_id: string; location_ids: (string)[]; month_to_date?: number;
    projection?: Projection; error?: ErrorShown };
export type ErrorShown = { code: string; message: string };
export type FleetLocation = { location_id: string; name?: string; machine_count?: number;
    billing_organization_id?: string; error?: ErrorShown };
export type HistoryPoint = { time: string; month_to_date: number; delta?: number; delta_by_type?:
    Record<string, number> };
export type TypeChange = { type: string; now: number; before?: number; change?: number };
export type Invoice = { id: string; invoice_date?: string; invoice_amount: number; status: string; due_date?:
    string; paid_date?: string; last_payment_failure_reason: string; last_payment_failure_at?: string };
export type Aging = { not_due: number; days_1_30: number; days_31_60: number; days_61_90: number; over_90:
    number };
export type PaymentCard = { brand: string; last_four_digits: string };
export type BankAccount = { bank_name: string; last_four_digits_account_number: string; routing_number:
    string; account_type: string; verification_info?: AccountVerification };
export type AccountVerification = { arrival_date: string; hosted_verification_page_url?: string };
export type Address = { address_line_1: string; address_line_2?: string; city: string; state: string; zipcode:
    string; country: string };
export type ChargeEntry = { idempotency_key: string; command: string; state: "failed" | "reserved" | "sent" |
    "succeeded" | "unknown"; org_id: string; total: number; created_at: string; attempts: number;
    reconcilable: boolean; sent_at?: string; invoice_id?: string; error?: ErrorShown; note?: string;
    late_invoice?: string; candidates?: (string)[]; checked_at?: string };
export type AuditedAttempt = { time: string; command: string; parameters: Record<string, unknown>; allowed:
    boolean; code?: string; idempotency_key?: string; repeats?: number };
export type FailedAddress = { position: number; why: string };
export type CommandHelp = { summary: string; effect: "always" | "by_name" | "change" | "charge" | "notify" |
    "read"; allowed: boolean; parameters: Record<string, unknown>; answer: Record<string, unknown> };
export type Journal = { id: string; created: string; entries: number };
export type ErrorCode = "invalid_request" | "unknown_command" | "command_not_allowed" | "out_of_scope" |
    "not_configured" | "state_unavailable" | "key_rejected" | "key_lacks_permission" | "cooldown_active" |
    "charge_limit_exceeded" | "charge_blocked" | "result_too_large" | "idempotency_conflict" | "not_found" |
    "cloud_rejected" | "cloud_unimplemented" | "cloud_error" | "cloud_unreachable" | "cloud_timeout" |
    "cloud_rate_limited" | "charge_outcome_unknown" | "internal_error";
