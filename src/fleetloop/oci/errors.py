"""What can go wrong with a registry. One class per thing a caller can do about it; no message holds a credential.

OciError
  InvalidReference     the address or reference is malformed
  AuthenticationFailed the registry refuses who we are
  NotFound             no such repository, tag, manifest or blob
  ContentMismatch      what came is not what its digest says, or is larger than we accept
  RegistryError        any other refusal
    RegistryBusy       one that may pass by itself: the registry is overloaded or being restarted
  RegistryUnreachable  no answer: connection, TLS, timeout
    ConnectionLost     it ended in the middle, and may hold the next time
"""


class OciError(Exception):
    """The base of all; the message is for users."""


class InvalidReference(OciError):
    pass


class AuthenticationFailed(OciError):
    pass


class NotFound(OciError):
    pass


class ContentMismatch(OciError):
    pass


class RegistryError(OciError):
    pass


class RegistryBusy(RegistryError):
    pass


class RegistryUnreachable(OciError):
    pass


class ConnectionLost(RegistryUnreachable):
    pass
