"""Certificates for tests of TLS: of an issuer that is trusted or not, in date or expired, for one name or another."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import trustme


class Issuer:
    """An authority of its own; `ca_file` is what makes a client trust it."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.ca_file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)

    def good(self) -> tuple[str, ...]:
        """Options of a sandbox with a certificate for localhost."""
        return self._options(self._ca.issue_cert("localhost", "127.0.0.1", "::1"), "good")

    def expired(self) -> tuple[str, ...]:
        """The options with one that ended yesterday."""
        now = datetime.now(timezone.utc)
        certificate = self._ca.issue_cert(
            "localhost", not_before=now - timedelta(days=30), not_after=now - timedelta(days=1)
        )
        return self._options(certificate, "expired")

    def of_another_name(self) -> tuple[str, ...]:
        """The options with one for somebody else's host."""
        return self._options(self._ca.issue_cert("elsewhere.example"), "other")

    def _options(self, certificate: trustme.LeafCert, name: str) -> tuple[str, ...]:
        chain, key = self._folder / f"{name}-chain.pem", self._folder / f"{name}-key.pem"
        for number, pem in enumerate(certificate.cert_chain_pems):
            pem.write_to_path(chain, append=number > 0)
        certificate.private_key_pem.write_to_path(key)
        return ("--cert", str(chain), "--key", str(key))
