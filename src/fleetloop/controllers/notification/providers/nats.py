"""NATS: the event as a message of a subject. The protocol is lines of text; one message needs six of them."""

import asyncio
import base64
import binascii
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fleetloop import __version__
from fleetloop.controllers.notification.access import Access
from fleetloop.controllers.notification.delivery_errors import DeliveryFailed, TryAgain
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import event_json
from fleetloop.controllers.notification.providers.sending import address_of, channel_of

_PORT = 4222
_LINE = 1 << 20  # bytes
_PRIVATE_SEED = 18 << 3  # the first five bits of a seed


async def send(note: Note, http: Http) -> None:
    """The subject is the channel."""
    subject = channel_of(note)
    if any(sign.isspace() for sign in subject):
        raise DeliveryFailed("spec.channel is no subject")
    parts = urlsplit(address_of(note) if "://" in address_of(note) else f"nats://{address_of(note)}")
    if parts.scheme not in ("nats", "tls") or not parts.hostname:
        raise DeliveryFailed("the address must be a nats:// URL")
    wants_tls = parts.scheme == "tls" or note.access.tls is not None
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or _PORT, limit=_LINE)
        try:
            await _publish(reader, writer, note, subject, parts.hostname, wants_tls)
        finally:
            writer.close()
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        raise TryAgain(f"failed to reach {parts.hostname}: {type(error).__name__}") from None


async def _publish(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Note, subject: str, host: str, wants_tls: bool
) -> None:
    info = _info(await reader.readline())
    if wants_tls or info.get("tls_required"):
        await writer.start_tls(note.access.tls or ssl.create_default_context(), server_hostname=host)
    options = {"verbose": False, "pedantic": False, "name": "fleetloop", "lang": "python", "version": __version__}
    options |= {"tls_required": wants_tls, **login_of(note.access, str(info.get("nonce", "")))}
    body = event_json(note.event)
    writer.write(b"CONNECT " + json.dumps(options).encode() + b"\r\n")
    writer.write(f"PUB {subject} {len(body)}\r\n".encode() + body + b"\r\nPING\r\n")
    await writer.drain()
    while True:  # the PONG says that all before it was taken
        line = await reader.readline()
        if line.startswith(b"PONG"):
            return
        if line.startswith(b"-ERR"):
            raise DeliveryFailed(f"NATS refused: {line[4:].decode(errors='replace').strip()[:200]}")
        if line.startswith(b"PING"):
            writer.write(b"PONG\r\n")
        if not line:
            raise asyncio.IncompleteReadError(b"", None)


def login_of(access: Access, nonce: str) -> dict[str, str]:
    """Of `creds`, else `nkey`, else user and password. Raises DeliveryFailed."""
    if creds := access.data.get("creds"):
        text = creds.decode(errors="replace")
        jwt, seed = _block(text, "NATS USER JWT"), _block(text, "USER NKEY SEED")
        return {"jwt": jwt, "sig": _signed(seed, nonce)}
    if nkey := access.data.get("nkey"):
        seed = nkey.decode(errors="replace").strip()
        return {"nkey": _public(seed), "sig": _signed(seed, nonce)}
    return {"user": access.username, "pass": access.password} if access.username else {}


def _block(text: str, name: str) -> str:
    _, begin, rest = text.partition(f"BEGIN {name}")
    lines = [line.strip() for line in rest.splitlines()[1:]]
    found = next((line for line in lines if line), "")
    if not begin or not found:
        raise DeliveryFailed(f"'creds' of the secret has no {name}")
    return found


def _key(seed: str) -> tuple[int, Ed25519PrivateKey]:
    """The prefix of the public key, and the private one."""
    try:
        raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    except (binascii.Error, ValueError):
        raise DeliveryFailed("the seed of the NATS key cannot be read") from None
    if len(raw) != 36 or raw[0] & 0xF8 != _PRIVATE_SEED or binascii.crc_hqx(raw[:-2], 0) != int.from_bytes(raw[-2:], "little"):
        raise DeliveryFailed("the seed of the NATS key cannot be read")
    return (raw[0] & 7) << 5 | raw[1] >> 3, Ed25519PrivateKey.from_private_bytes(raw[2:34])


def _signed(seed: str, nonce: str) -> str:
    return base64.urlsafe_b64encode(_key(seed)[1].sign(nonce.encode())).decode().rstrip("=")


def _public(seed: str) -> str:
    prefix, key = _key(seed)
    raw = bytes([prefix]) + key.public_key().public_bytes_raw()
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


def _info(line: bytes) -> dict[str, Any]:
    if not line.startswith(b"INFO "):
        raise DeliveryFailed("the address answers, but is no NATS server")
    found = json.loads(line[5:])
    return found if isinstance(found, dict) else {}
