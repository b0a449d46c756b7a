"""TLS as Secrets describe it: authorities, and a client certificate. Verification is always on."""

import os
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path

from fleetloop.auth.git_credentials import InvalidSecret


def tls_of_secret(data: Mapping[str, bytes]) -> ssl.SSLContext | None:
    """By the keys of a TLS Secret; the older names still count, the new ones win. None when it has none. Blocking.

    Flux: helm-notification-image.md 1.7. Raises InvalidSecret.
    """
    names = (("ca.crt", "caFile"), ("tls.crt", "certFile"), ("tls.key", "keyFile"))
    ca, certificate, key = (data.get(new) or data.get(old) or b"" for new, old in names)
    if bool(certificate) != bool(key):
        raise InvalidSecret("'tls.crt' and 'tls.key' are required together")
    return tls_context(ca, certificate, key) if ca or certificate else None


def tls_context(ca: bytes = b"", client_cert: bytes = b"", client_key: bytes = b"") -> ssl.SSLContext:
    """Authorities beside the system's. Blocking. Raises InvalidSecret."""
    return _filled(ssl.create_default_context(), ca, client_cert, client_key)


def own_tls_context(ca: bytes = b"", client_cert: bytes = b"", client_key: bytes = b"") -> ssl.SSLContext:
    """Authorities in place of the system's, where there are any. Blocking. Raises InvalidSecret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if ca else ssl.create_default_context()
    return _filled(context, ca, client_cert, client_key)


def _filled(context: ssl.SSLContext, ca: bytes, client_cert: bytes, client_key: bytes) -> ssl.SSLContext:
    try:
        if ca:
            context.load_verify_locations(cadata=ca.decode())
    except (ssl.SSLError, ValueError):
        raise InvalidSecret("'ca.crt' holds no certificate in PEM form") from None
    if client_cert:
        _load_pair(context, client_cert, client_key)
    return context


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """OpenSSL takes a pair from a file alone."""
    descriptor, name = tempfile.mkstemp(prefix="fleetloop-tls-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(certificate + b"\n" + key)
        context.load_cert_chain(name, password=b"")  # an encrypted key fails; nobody is asked for a passphrase
    except (ssl.SSLError, ValueError):
        raise InvalidSecret("'tls.crt' and 'tls.key' are no certificate and key in PEM form that belong together") from None
    finally:
        Path(name).unlink(missing_ok=True)
