/** What each command takes and answers. A value that is not known is left out; amounts are US dollars, times RFC 3339 in UTC. */

interface FromCloud {
  as_of?: string;
  stale: boolean;
  stale_reason?: string;
}
interface Projection {
  total: number;
  low?: number;
  high?: number;
  method: string;
  elapsed_fraction: number;
}
interface Budget {
  status: 'ok' | 'warning' | 'exceeded';
  monthly_budget: number;
  used_fraction: number;
  projected_status?: 'ok' | 'warning' | 'exceeded';
  warn_at?: number[];
}
interface Failure {
  code: string;
  message: string;
}
interface Invoice {
  id: string;
  invoice_date?: string;
  invoice_amount: number;
  status: string;
  due_date?: string;
  paid_date?: string;
  last_payment_failure_reason?: string;
  last_payment_failure_at?: string;
}
interface Charge {
  idempotency_key: string;
  command: string;
  state: 'reserved' | 'sent' | 'succeeded' | 'failed' | 'unknown';
  org_id: string;
  total: number;
  invoice_id?: string;
  created_at: string;
  sent_at?: string;
  attempts: number;
  reconcilable: boolean;
  error?: string;
  note?: string;
  late_invoice?: string;
  candidates?: string[];
  checked_at?: string;
}
interface OfOrganization {
  org_id?: string;
  max_age_s?: number;
}
interface OfLocation {
  location_id?: string;
  max_age_s?: number;
}

export interface Requests {
  help: { name?: string };
  get_status: Record<string, never>;
  get_location_usage: OfLocation;
  get_fleet_usage: OfOrganization & { location_ids?: string[] };
  get_usage_history: OfOrganization &
    OfLocation & { since?: string; until?: string; step?: 'hour' | 'day' | 'month'; by?: 'type' };
  compare_usage: OfOrganization & OfLocation;
  get_invoices_summary: OfOrganization & { status?: string; since?: string; limit?: number };
  get_invoice_pdf: { invoice_id: string; org_id?: string };
  get_org_billing_information: OfOrganization;
  list_charges: { state?: string; limit?: number };
  get_charge: { idempotency_key: string };
  reconcile_charges: Record<string, never>;
  resolve_charge: {
    idempotency_key: string;
    outcome: 'succeeded' | 'failed';
    invoice_id?: string;
    note: string;
  };
  get_audit_log: { since?: string; limit?: number };
  check_access: Record<string, never>;
}

export interface Answers {
  help: {
    version: string;
    commands: Record<
      string,
      { summary: string; effect: string; allowed: boolean; parameters: Record<string, unknown> }
    >;
  };
  get_status: {
    version: string;
    connected: boolean;
    last_success?: string;
    last_error?: string;
    cloud_calls: number;
    logins: number;
    retries: number;
    cache_hits: number;
    cache_misses: number;
    stale_answers: number;
    unknown_charges?: number;
    charged_last_24h?: number;
    journal?: { id: string; created: string; entries: number };
    allowed_commands: string[];
  };
  get_location_usage: FromCloud & {
    location_id: string;
    billing_organization_id: string;
    month_to_date: number;
    projection?: Projection;
    cost_by_type: Record<string, number>;
    start_date?: string;
    end_date?: string;
    budget?: Budget;
  };
  get_fleet_usage: FromCloud & {
    organizations: {
      org_id: string;
      location_ids: string[];
      month_to_date?: number;
      projection?: Projection;
      error?: Failure;
    }[];
    locations: {
      location_id: string;
      name?: string;
      machine_count?: number;
      billing_organization_id?: string;
      error?: Failure;
    }[];
    total_month_to_date?: number;
    failed_count: number;
    complete: boolean;
    out_of_scope_count?: number;
  };
  get_usage_history: {
    org_id?: string;
    location_id?: string;
    points: {
      time: string;
      month_to_date: number;
      delta?: number;
      delta_by_type?: Record<string, number>;
    }[];
  };
  compare_usage: FromCloud & {
    org_id?: string;
    month_to_date: number;
    previous_month_to_date?: number;
    change?: number;
    change_fraction?: number;
    previous_total?: number;
    by_type: { type: string; now: number; before?: number; change?: number }[];
  };
  get_invoices_summary: FromCloud & {
    org_id: string;
    outstanding_balance: number;
    invoices: Invoice[];
    total_invoices: number;
    overdue_count: number;
    overdue_balance: number;
    aging: { not_due: number; days_1_30: number; days_31_60: number; days_61_90: number; over_90: number };
    failed_payment_count: number;
  };
  get_invoice_pdf: FromCloud & {
    invoice_id: string;
    org_id: string;
    size_bytes: number;
    sha256: string;
    content_base64?: string;
    path?: string;
  };
  get_org_billing_information: FromCloud & {
    org_id: string;
    type?: string | number;
    billing_email?: string;
    method?: { brand: string; last_four_digits: string };
    method_us_bank_account?: { bank_name: string; last_four_digits_account_number: string };
    billing_tier?: string;
  };
  list_charges: { charges: Charge[] };
  get_charge: Charge & { payment_status?: string };
  reconcile_charges: { settled: Charge[]; still_unknown: Charge[] };
  resolve_charge: Charge;
  get_audit_log: {
    entries: {
      time: string;
      command: string;
      parameters: Record<string, unknown>;
      allowed: boolean;
      code?: string;
      idempotency_key?: string;
      repeats?: number;
    }[];
  };
  check_access: FromCloud & {
    api_key_id: string;
    app_address: string;
    authenticated?: boolean;
    calls: Record<string, string>;
  };
}

export type Command = keyof Answers;
