/**
 * What each command takes.
 * Made by `npm run types` from the module's own records: do not edit.
 */
import type { BillingAddress } from './records';
export interface Requests {
  get_current_month_usage: { max_age_s?: number; org_id?: string };
  get_location_usage: { max_age_s?: number; location_id?: string };
  get_fleet_usage: { max_age_s?: number; org_id?: string; location_ids?: (string)[] };
  check_budget: { max_age_s?: number; org_id?: string; location_id?: string };
  get_usage_history: { max_age_s?: number; org_id?: string; location_id?: string; since?: string; until?:
    string; step?: "day" | "hour" | "month"; by?: "type" };
  compare_usage: { max_age_s?: number; org_id?: string; location_id?: string };
  get_invoices_summary: { max_age_s?: number; org_id?: string; status?: string; since?: string; limit?: number
    };
  get_invoice_pdf: { invoice_id?: string; org_id?: string; save_as?: string; id?: string };
  send_payment_required_email: { customer_org_id: string; billing_owner_org_id?: string; dry_run?: boolean };
  get_org_billing_information: { max_age_s?: number; org_id?: string };
  get_available_billing_tiers: { max_age_s?: number; org_id?: string };
  update_organization_billing_tier: { organization_id?: string; billing_tier: string; dry_run?: boolean;
    org_id?: string };
  get_location_billing_organization: { max_age_s?: number; location_id?: string };
  update_location_billing_organization: { location_id: string; billing_organization_id: string; dry_run?:
    boolean };
  get_billing_service_config: { max_age_s?: number; org_id?: string };
  organization_get_support_email: { max_age_s?: number; org_id?: string };
  organization_get_logo: { max_age_s?: number; org_id?: string };
  enable_billing_service: { org_id: string; dry_run?: boolean; billing_address: BillingAddress };
  update_billing_service: { org_id: string; dry_run?: boolean; billing_address: BillingAddress };
  disable_billing_service: { org_id: string; dry_run?: boolean };
  organization_set_support_email: { org_id: string; dry_run?: boolean; email: string };
  organization_set_logo: { org_id: string; dry_run?: boolean; content_base64: string };
  charge_organization: { org_id_to_charge?: string; subtotal?: number; tax?: number; description?: string;
    org_id_for_branding?: string; disable_confirmation_email?: boolean; idempotency_key: string; dry_run?:
    boolean; org_id?: string; amount_owed?: number };
  create_invoice_and_charge_immediately: { org_id_to_charge?: string; amount: number; description?: string;
    org_id_for_branding?: string; disable_email?: boolean; idempotency_key: string; dry_run?: boolean;
    org_id?: string };
  get_charge: { max_age_s?: number; idempotency_key: string };
  list_charges: { state?: "failed" | "reserved" | "sent" | "succeeded" | "unknown"; limit?: number };
  reconcile_charges: Record<string, never>;
  resolve_charge: { idempotency_key: string; outcome: "failed" | "succeeded"; invoice_id?: string; note: string
    };
  get_audit_log: { since?: string; limit?: number };
  test_alert: Record<string, never>;
  help: { name?: string };
  get_status: Record<string, never>;
  check_access: Record<string, never>;
}
