"""Azure Event Hubs: the event as a message of a hub, over its HTTPS API."""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from fleetloop.controllers.notification.delivery_errors import DeliveryFailed
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import event_json
from fleetloop.controllers.notification.providers.sending import Send, address_of, channel_of, token_of

_VALID = 600  # seconds, of a signature
_TYPE = {"Content-Type": "application/atom+xml;type=entry;charset=utf-8"}
PUBLIC_SUFFIX = "servicebus.windows.net"
_SUFFIXES = {
    "login.chinacloudapi.cn": "servicebus.chinacloudapi.cn",
    "login.microsoftonline.us": "servicebus.usgovcloudapi.net",
}
_NAMESPACE = re.compile(
    rf"[a-z0-9-]+(?:\.(?:{'|'.join(map(re.escape, (PUBLIC_SUFFIX, *_SUFFIXES.values())))}))?", re.IGNORECASE | re.ASCII
)


def suffix_of(authority: str) -> str:
    """Of the cloud whose authority the environment's AZURE_AUTHORITY_HOST names."""
    host = urlsplit(authority).hostname or authority.strip("/")
    return _SUFFIXES.get(host, PUBLIC_SUFFIX)


def eventhub_at(base_of: Callable[[str], str], now: Callable[[], float] = time.time) -> Send:
    """`base_of`: the server of a host. `address` is a connection string, or the hub, with `channel` the namespace and a token."""

    async def send(note: Note, http: Http) -> None:
        address = address_of(note)
        if "SharedAccessKey" in address:
            host, hub, login = _signed(address, now())
        else:
            host, hub, login = channel_of(note), address, f"Bearer {token_of(note)}"
            if note.access.is_identity and not _NAMESPACE.fullmatch(host):
                raise DeliveryFailed(f"spec.channel: a token of Azure is for namespaces of Event Hubs, '{host}' is none")
        headers = {**_TYPE, "Authorization": login}
        await http.send(note.access, "POST", f"{base_of(host)}/{quote(hub, safe='/')}/messages", headers, event_json(note.event))

    return send


def _signed(connection: str, now: float) -> tuple[str, str, str]:
    """Host, hub and the signature that opens it. Raises DeliveryFailed."""
    fields = dict(part.partition("=")[::2] for part in connection.split(";") if part)
    host = urlsplit(fields.get("Endpoint", "")).hostname
    name, key, hub = (fields.get(field, "") for field in ("SharedAccessKeyName", "SharedAccessKey", "EntityPath"))
    if not host or not name or not key or not hub:
        raise DeliveryFailed("the connection string must have Endpoint, SharedAccessKeyName, SharedAccessKey and EntityPath")
    target, expiry = quote(f"https://{host}/{hub}".lower(), safe=""), str(int(now) + _VALID)
    digest = hmac.new(key.encode(), f"{target}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = quote(base64.b64encode(digest).decode(), safe="")
    return host, hub, f"SharedAccessSignature sr={target}&sig={signature}&se={expiry}&skn={quote(name, safe='')}"
