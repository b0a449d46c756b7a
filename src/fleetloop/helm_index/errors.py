"""What can go wrong with a chart repository. One class per thing a caller can do about it; no message holds a credential.

HelmRepositoryError
  InvalidRepositoryUrl
  AuthenticationFailed   the repository refuses who we are
  ChartNotFound          the index has no such chart or version, or the server no such file
  TooLarge               more bytes than we accept
  RepositoryUnreachable  no answer, or not the one expected
"""


class HelmRepositoryError(Exception):
    """The base of all; the message is for users."""


class InvalidRepositoryUrl(HelmRepositoryError):
    pass


class AuthenticationFailed(HelmRepositoryError):
    pass


class ChartNotFound(HelmRepositoryError):
    pass


class TooLarge(HelmRepositoryError):
    pass


class RepositoryUnreachable(HelmRepositoryError):
    pass
