"""How the API says no, in GitHub's words and shapes."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

DOCUMENTATION = "https://docs.github.com/enterprise-server@3.19/rest"


class Problem(Exception):
    """An answer other than success. `errors` are GitHub's validation details."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        page: str = "",
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.errors, self.headers = status, message, errors, dict(headers or {})
        self.documentation_url = DOCUMENTATION + page

    def answer(self) -> web.Response:
        body: dict[str, Any] = {"message": self.message, "documentation_url": self.documentation_url}
        if self.errors is not None:
            body["errors"] = self.errors
        body["status"] = str(self.status)
        return web.Response(
            status=self.status, body=msgspec.json.encode(body), content_type="application/json", headers=self.headers
        )


def bad_credentials() -> Problem:
    return Problem(401, "Bad credentials")


def requires_authentication() -> Problem:
    return Problem(401, "Requires authentication")


def not_found(page: str = "") -> Problem:
    return Problem(404, "Not Found", page=page)


def forbidden(message: str, headers: Mapping[str, str] | None = None) -> Problem:
    return Problem(403, message, headers=headers)


def token_lacks(accepted: str) -> Problem:
    """A fine-grained token without the permission; the header names what would do."""
    headers = {"X-Accepted-GitHub-Permissions": accepted}
    return Problem(403, "Resource not accessible by personal access token", headers=headers)


def conflict(message: str) -> Problem:
    return Problem(409, message)


def invalid_request(message: str) -> Problem:
    """The body has the wrong shape."""
    return Problem(422, f"Invalid request.\n\n{message}")


def invalid(resource: str, field: str, code: str, message: str = "") -> Problem:
    """The body has the right shape, but this field cannot be taken."""
    detail = {"resource": resource, "code": code, "field": field}
    if message:
        detail["message"] = message
    return Problem(422, "Validation Failed", errors=[detail])
