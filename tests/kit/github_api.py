"""Checks answers of a forge against GitHub's published API description (`tests/cases/github-openapi.json`)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import aiohttp
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

DESCRIPTION = Path(__file__).parents[1] / "cases" / "github-openapi.json"
RULED = frozenset({401, 403, 404, 422})  # answers that any endpoint may give, described or not


def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"[a-z][a-z0-9+.-]*://[^\s{}]+", value) is not None


FORMATS = FormatChecker(formats=())
FORMATS.checks("date-time", raises=ValueError)(_is_date_time)
FORMATS.checks("uri")(_is_uri)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that fits the description."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def accepted(self) -> str:
        """The permissions that would have done."""
        return self.headers.get("X-Accepted-GitHub-Permissions", "")


@cache
def description() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DESCRIPTION.read_text())
    return found


@cache
def validator(path: str, method: str, status: int) -> Draft202012Validator | None:
    """The check for one answer; None when it must have no body. Raises AssertionError for an undescribed answer."""
    answers = description()["paths"][path][method.lower()]
    if str(status) not in answers:
        assert status in RULED, f"{method} {path} must not answer {status}"
        return _validator({"$ref": "#/schemas/basic-error"})
    schema = answers[str(status)]
    if schema is None and status >= 400:
        return _validator({"$ref": "#/schemas/basic-error"})
    return None if schema is None else _validator(schema)


def check_event(name: str, payload: object) -> None:
    """A webhook's payload against its schema."""
    _check(_validator({"$ref": f"#/schemas/{description()['events'][name]}"}), payload, f"event {name}")


class GitHubApi:
    """A client that believes nothing: every answer is validated before it is returned."""

    def __init__(self, session: aiohttp.ClientSession, api_url: str, token: str = "") -> None:
        self._session = session
        self._base = api_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        /,
        *,
        accept: str = "application/vnd.github+json",
        **parts: object,
    ) -> Answer:
        """Send METHOD to the path template (`/repos/{owner}/{repo}`) filled with `parts`; a query may follow it."""
        url = self._base + path.format(**{name: quote(str(part)) for name, part in parts.items()})
        headers = self._headers | {"Accept": accept}
        async with self._session.request(method, url, json=body, headers=headers) as response:
            raw = await response.read()
            found = Answer(response.status, response.headers, json.loads(raw) if raw else None)
        check = validator(path.split("?", maxsplit=1)[0], method, found.status)
        if check is None:
            assert not raw, f"{method} {path} {found.status} must have no body"
        else:
            _check(check, found.body, f"{method} {path} {found.status}")
        return found


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "schemas": description()["schemas"]}, format_checker=FORMATS)


def _check(check: Draft202012Validator, body: object, what: str) -> None:
    error = best_match(check.iter_errors(body))
    if error is not None:
        _fail(f"{what}: {error.json_path}: {error.message[:500]}")


def _fail(message: str) -> NoReturn:
    raise AssertionError(message)
