"""`GpgKey`: a key pair made by GnuPG, as users make theirs, without a passphrase."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GpgKey:
    home: Path
    fingerprint: str

    @property
    def ring(self) -> str:
        """The private key, armored."""
        return _gpg(self.home, "--armor", "--export-secret-keys", self.fingerprint).decode()

    def seal(self, data_key: bytes) -> dict[str, str]:
        """An entry of a SOPS document's `pgp`."""
        sealed = _gpg(self.home, "--armor", "--trust-model=always", "--recipient", self.fingerprint, "--encrypt", stdin=data_key)
        return {"fp": self.fingerprint, "enc": sealed.decode()}


@contextmanager
def gpg_key(home: Path, algorithm: str = "rsa3072") -> Iterator[GpgKey]:
    """In a new home folder, which must be short enough for a socket in it."""
    home.mkdir(mode=0o700)
    try:
        _gpg(home, "--quick-generate-key", "fleet@example.test", algorithm, "sign", "never")
        listing = _gpg(home, "--with-colons", "--list-secret-keys").decode()
        fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
        _gpg(home, "--quick-add-key", fingerprint, algorithm.replace("ed25519", "cv25519"), "encr", "never")
        yield GpgKey(home, fingerprint)
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=True)


def _gpg(home: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase=", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout
