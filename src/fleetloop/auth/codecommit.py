"""User name and password of an AWS CodeCommit repository over HTTPS: a signature of the repository's path. Pure.

AWS Signature Version 4 with the method `GIT` and nothing but the host signed, as CodeCommit's own helper does it.
"""

import datetime
import hashlib
import hmac
import re

from fleetloop.auth.aws import AwsCredentials
from fleetloop.auth.git_credentials import InvalidSecret

_HOST = re.compile(r"git-codecommit(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_SERVICE, _ALGORITHM = "codecommit", "AWS4-HMAC-SHA256"


class NotCodeCommit(InvalidSecret):
    """The address is none of CodeCommit's: credentials of AWS are sent nowhere else."""


def region_of(scheme: str, host: str) -> str:
    """Raises NotCodeCommit."""
    found = _HOST.fullmatch(host)
    if scheme != "https" or not found:
        raise NotCodeCommit(
            f"'{scheme}://{host}' is not an AWS CodeCommit URL, must be https://git-codecommit[-fips].<region>.amazonaws.com[.cn]/…"
        )
    return found["region"]


def basic_auth(credentials: AwsCredentials, host: str, path: str, at: datetime.datetime) -> tuple[str, str]:
    """User name and password; the server takes them for 15 minutes from `at`. Raises NotCodeCommit."""
    region = region_of("https", host)
    stamp = at.astimezone(datetime.UTC).strftime("%Y%m%dT%H%M%S")
    scope = f"{stamp[:8]}/{region}/{_SERVICE}/aws4_request"
    request = f"GIT\n{path}\n\nhost:{host}\n\nhost\n"
    to_sign = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = b"AWS4" + credentials.secret_key.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    token = f"%{credentials.session_token}" if credentials.session_token else ""
    return credentials.access_key + token, f"{stamp}Z{signature}"
