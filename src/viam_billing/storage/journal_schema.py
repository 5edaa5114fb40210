"""`journal.db` in `state_dir`: its tables, version by version. What is in use is never changed, only added to."""

from __future__ import annotations

from typing import Final

FILE_NAME: Final = "journal.db"

MIGRATIONS: Final = (
    """
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, app_address TEXT NOT NULL, time REAL NOT NULL,
        command TEXT NOT NULL, parameters TEXT NOT NULL, allowed INTEGER NOT NULL,
        code TEXT, idempotency_key TEXT, repeats INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE email_cooldown (
        app_address TEXT NOT NULL, customer_org_id TEXT NOT NULL, sent_at REAL NOT NULL,
        PRIMARY KEY (app_address, customer_org_id)
    ) STRICT
    """,
    """
    ALTER TABLE audit ADD COLUMN service TEXT NOT NULL DEFAULT '';
    ALTER TABLE email_cooldown ADD COLUMN times TEXT NOT NULL DEFAULT '[]';
    CREATE TABLE journal (id TEXT NOT NULL, created_at REAL NOT NULL) STRICT;
    INSERT INTO journal VALUES (lower(hex(randomblob(8))), CAST(strftime('%s', 'now') AS REAL));
    CREATE TABLE charges (
        app_address TEXT NOT NULL, key TEXT NOT NULL, command TEXT NOT NULL,
        org_id TEXT NOT NULL, total INTEGER NOT NULL, parameters TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('reserved', 'sent', 'succeeded', 'failed', 'unknown')),
        created_at REAL NOT NULL, journal_time REAL NOT NULL, times TEXT NOT NULL, attempts INTEGER NOT NULL,
        reconcilable INTEGER NOT NULL, sent_at REAL, invoice_id TEXT, error_code TEXT, error_text TEXT, note TEXT,
        late_invoice TEXT, candidates TEXT, checked_at REAL, known_invoices TEXT,
        UNIQUE (app_address, key)
    ) STRICT;
    CREATE INDEX charges_by_state ON charges (app_address, state, org_id);
    CREATE INDEX charges_by_sending ON charges (app_address, sent_at);
    CREATE INDEX charges_by_journal_time ON charges (app_address, journal_time);
    CREATE INDEX charges_by_invoice ON charges (app_address, invoice_id) WHERE invoice_id IS NOT NULL;
    CREATE INDEX charges_by_late_invoice ON charges (app_address, late_invoice) WHERE late_invoice IS NOT NULL;
    CREATE TABLE journal_clock (app_address TEXT PRIMARY KEY, times TEXT NOT NULL) STRICT;
    CREATE TABLE late_watch (
        app_address TEXT NOT NULL, key TEXT NOT NULL, attempt INTEGER NOT NULL,
        org_id TEXT NOT NULL, total INTEGER NOT NULL, sent_at REAL NOT NULL, until REAL NOT NULL,
        known_invoices TEXT NOT NULL, found TEXT NOT NULL,
        PRIMARY KEY (app_address, key, attempt)
    ) STRICT
    """,
    """
    ALTER TABLE audit ADD COLUMN executed INTEGER NOT NULL DEFAULT 0;
    UPDATE audit SET executed = 1 WHERE allowed AND parameters NOT LIKE '%"dry_run": true%' AND (code IS NULL OR
        code IN ('unfinished', 'cancelled', 'cloud_unreachable', 'cloud_timeout', 'cloud_rate_limited', 'cloud_error',
        'charge_outcome_unknown', 'internal_error'));
    CREATE INDEX audit_by_ring ON audit (executed)
    """,
)
