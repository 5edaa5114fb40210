"""Certificates for tests of TLS: of an issuer that is trusted or not, in date or expired, for one name or another."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import trustme

HOST = "cloud.example"
"""A name that is no sandbox's: what stands behind it has to show a good certificate."""


class Issuer:
    """An authority of its own; `ca_file` is what makes a client trust it."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.ca_file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)

    def good(self) -> tuple[str, ...]:
        """Options of a sandbox with a certificate for HOST."""
        return self._options(self._ca.issue_cert(HOST), "good")

    def expired(self) -> tuple[str, ...]:
        """The options with one that ended yesterday."""
        return self._dated("expired", -30, -1)

    def not_yet_valid(self) -> tuple[str, ...]:
        """The options with one that begins tomorrow."""
        return self._dated("early", 1, 30)

    def of_another_name(self) -> tuple[str, ...]:
        """The options with one for somebody else's host."""
        return self._options(self._ca.issue_cert("elsewhere.example"), "other")

    def _dated(self, name: str, from_days: float, to_days: float) -> tuple[str, ...]:
        now = datetime.now(timezone.utc)
        begin, end = now + timedelta(days=from_days), now + timedelta(days=to_days)
        return self._options(self._ca.issue_cert(HOST, not_before=begin, not_after=end), name)

    def _options(self, certificate: trustme.LeafCert, name: str) -> tuple[str, ...]:
        chain, key = self._folder / f"{name}-chain.pem", self._folder / f"{name}-key.pem"
        for number, pem in enumerate(certificate.cert_chain_pems):
            pem.write_to_path(chain, append=number > 0)
        certificate.private_key_pem.write_to_path(key)
        return ("--cert", str(chain), "--key", str(key))
