"""What can go wrong with the API server, one class for each thing a caller can do about it.

ApiError              the server answered with a Status
  NotFound            nothing there, or the kind is not served
    KindUnknown       no such kind in discovery
  AlreadyExists
  Conflict            somebody else wrote first (or, for apply, owns the field)
  Forbidden           the identity lacks a right
  Invalid             validation refused the object
  Expired             a watch's version is too old: list again
  ServerFailed        the server could not tell: 429, 500 and more; it says nothing about the object
Unreachable           no answer: connection, TLS, timeout
  NotConnected        there was no connection to begin with
  ConnectionLost      the connection was there and broke, or only a part of the answer came
BadConnection         the kubeconfig or the in-cluster settings are unusable
"""

import os
import socket
from typing import Any
from urllib.parse import urlsplit


class ApiError(Exception):
    """The API server's refusal: `status` is the HTTP code, `reason` and `message` are its Status object's."""

    def __init__(self, status: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or {}


class NotFound(ApiError):
    pass


class KindUnknown(NotFound):
    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(404, "NotFound", f'no matches for kind "{kind}" in version "{api_version}"')


class AlreadyExists(ApiError):
    pass


class Conflict(ApiError):
    pass


class Forbidden(ApiError):
    pass


class Invalid(ApiError):
    pass


class Expired(ApiError):
    pass


class ServerFailed(ApiError):
    pass


class Unreachable(Exception):
    """No answer came; the same request may succeed later."""


class NotConnected(Unreachable):
    """`server` is its URL, `reason` what the dial came to."""

    def __init__(self, request: str, server: str, error: OSError) -> None:
        self.server, self.reason = server, _dialled(server, error)
        super().__init__(f"{request}: {self.reason}")


class ConnectionLost(Unreachable):
    pass


class BadConnection(Exception):
    """The settings name no usable API server; the message names the file and the entry."""


def _dialled(server: str, error: OSError) -> str:
    url = urlsplit(server)
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    if problem := getattr(error, "verify_message", ""):
        return f"tls: failed to verify certificate: {problem}"
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {host}: no such host"
    reason = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    return f"dial tcp {host}:{url.port or (443 if url.scheme == 'https' else 80)}: connect: {reason.lower()}"


_BY_REASON: dict[str, type[ApiError]] = {
    "NotFound": NotFound,
    "AlreadyExists": AlreadyExists,
    "Conflict": Conflict,
    "Forbidden": Forbidden,
    "Invalid": Invalid,
    "Expired": Expired,
    "Gone": Expired,
}
_BY_STATUS: dict[int, type[ApiError]] = {404: NotFound, 403: Forbidden, 409: Conflict, 422: Invalid, 410: Expired}
_REASON_OF_STATUS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def error_of(status: int, body: Any) -> ApiError:
    """The error a response means; `body` is the decoded Status, or whatever else came."""
    parsed = body if isinstance(body, dict) and body.get("kind") == "Status" else {}
    reason = str(parsed.get("reason") or _REASON_OF_STATUS.get(status, "Unknown"))
    message = str(parsed.get("message") or f"the server answered with status {status}")
    kind = _BY_REASON.get(reason) or _BY_STATUS.get(status) or (ServerFailed if status == 429 or status >= 500 else ApiError)
    return kind(status, reason, message, parsed.get("details"))
