"""What is asked of the person at the terminal: yes or no, and passwords. Prompts go to stdout (⚠ BS1)."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fleetloop.cli.errors import CliError

if TYPE_CHECKING:
    from fleetloop.cli.context import Context


def asking(cx: "Context") -> Callable[[str], Awaitable[bool]]:
    """Yes or no; without anybody to answer it is no."""

    async def ask(question: str) -> bool:
        try:
            await asyncio.to_thread(cx.confirm, question)
        except CliError:
            return False
        return True

    return ask


def secret_from(cx: "Context", variable: str, prompt: str) -> str:
    """The environment's value, else what is typed without echo, else one line of stdin. Never empty (⚠ BS2)."""
    if given := cx.environment.get(variable, ""):
        return given
    if cx.answers.isatty():
        secret = getpass.getpass(prompt, stream=cx.out)
    else:
        cx.write(prompt)
        line = cx.answers.readline()
        if not line.endswith("\n"):
            raise CliError("could not read token: could not read from stdin: EOF")
        secret = line.rstrip("\r\n")
    if not secret.strip():
        raise CliError("could not read token: it is empty")
    return secret
