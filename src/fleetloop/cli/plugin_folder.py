"""Plugins: programs `flux-NAME` in a folder of the user's, which become commands. What is there, and what is known of it."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREFIX = "flux-"
MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Plugin:
    """`version`: what `plugin install` wrote down; "manual" for what somebody else put there."""

    name: str
    path: Path
    version: str


@dataclass(frozen=True, slots=True)
class PluginFolder:
    path: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "PluginFolder":
        configured = environment.get("FLUXCD_PLUGINS")
        return cls(Path(configured) if configured else Path(environment.get("HOME") or "/", ".fluxcd", "plugins"))

    def plugins(self) -> list[Plugin]:
        """By name; a folder that is not there has none."""
        try:
            names = sorted(entry.name for entry in os.scandir(self.path) if entry.name.startswith(PREFIX))
        except OSError:
            return []
        found = (self.find(name.removeprefix(PREFIX)) for name in names)
        return [plugin for plugin in found if plugin]

    def find(self, name: str) -> Plugin | None:
        """Only regular files that may be executed count."""
        path = self.program(name)
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError):
            return None
        if not name or "/" in name or not stat.S_ISREG(mode) or not mode & 0o111:
            return None
        return Plugin(name, path, str(self.receipt(name).get("version") or MANUAL))

    def program(self, name: str) -> Path:
        return self.path / f"{PREFIX}{name}"

    def receipt_path(self, name: str) -> Path:
        return self.path / f"{PREFIX}{name}.yaml"

    def receipt(self, name: str) -> dict[str, Any]:
        """What `plugin install` wrote down; empty for nothing."""
        from fleetloop.api.yaml import InvalidYAML, load

        try:
            found = load(self.receipt_path(name).read_bytes())
        except (OSError, InvalidYAML):
            return {}
        return found if isinstance(found, dict) else {}
