"""Flags that cannot work, refused with the contract's texts (bootstrap.md section 2). Pure."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from fleetloop import __version__
from fleetloop.bootstrap.errors import InvalidPlan

REQUIRED = ("source-controller", "kustomize-controller")
DEFAULT = ("source-controller", "kustomize-controller", "helm-controller", "notification-controller")
EXTRA = ("image-reflector-controller", "image-automation-controller", "source-watcher")
LOG_LEVELS = ("debug", "info", "error")
KEY_ALGORITHMS = ("rsa", "ecdsa", "ed25519")
CURVES = ("p256", "p384", "p521")
VISIBILITIES = ("public", "internal", "private")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class RegistryCredentials:
    """User and password for the registry the controllers' images come from."""

    username: str
    password: str = field(repr=False)


def check_namespace(name: str) -> None:
    if not _LABEL.fullmatch(name):
        raise InvalidPlan(f'namespace must be a valid DNS label: "{name}"')


def components_of(listed: Sequence[str], extra: Sequence[str]) -> tuple[str, ...]:
    """All components in flag order, each once (⚠ 4). Raises InvalidPlan for one that does not exist."""
    components = tuple(dict.fromkeys([*listed, *extra]))
    for name in components:
        if name not in DEFAULT + EXTRA:
            raise InvalidPlan(f"component {name} is not available")
    return components


def check_required(components: Sequence[str]) -> None:
    for name in REQUIRED:
        if name not in components:
            raise InvalidPlan(f"component {name} is required")


def registry_credentials(text: str, image_pull_secret: str) -> RegistryCredentials | None:
    """`user:password`; the password may hold colons (⚠ 3: the peer refuses them)."""
    if not text:
        return None
    if not image_pull_secret:
        raise InvalidPlan("--registry-creds requires --image-pull-secret to be set")
    username, colon, password = text.partition(":")
    if not colon:
        raise InvalidPlan("invalid --registry-creds format, expected 'user:password'")
    return RegistryCredentials(username, password)


def check_version(wanted: str) -> str:
    """The version to install, with its `v`. Ours is the only one there is: manifests and controllers are one release."""
    ours = f"v{__version__}"
    if not wanted or wanted in ("latest", ours):
        return ours
    if not wanted.startswith("v"):
        raise InvalidPlan(f"targeted version '{wanted}' must be prefixed with 'v'")
    raise InvalidPlan(
        f"targeted version '{wanted}' is not compatible with your current version of fleetloop ({ours}): "
        "install the fleetloop of that version and use it"
    )


def log_level(text: str) -> str:
    if not text.strip():
        raise ValueError(f"no log level given, must be one of: {', '.join(LOG_LEVELS)}")
    if text not in LOG_LEVELS:
        raise ValueError(f"unsupported log level '{text}', must be one of: {', '.join(LOG_LEVELS)}")
    return text


def key_algorithm(text: str) -> str:
    if text not in KEY_ALGORITHMS:
        raise ValueError(f"unsupported public key algorithm '{text}', must be one of: {', '.join(KEY_ALGORITHMS)}")
    return text


def ecdsa_curve(text: str) -> str:
    if text not in CURVES:
        raise ValueError(f"unsupported curve '{text}', must be one of: {', '.join(CURVES)}")
    return text


def visibility(text: str) -> str:
    if text not in VISIBILITIES:
        raise ValueError(f"unsupported visibility '{text}'")
    return text


def gitlab_name(name: str) -> None:
    """Letters, digits, emojis and `_`; later also dash and dot. A space is refused, whatever the text says."""
    if not name or name[0] in "-." or not all(char in "_-." or _is_letter_or_emoji(char) for char in name):
        raise InvalidPlan(
            f"{name} is an invalid project name for gitlab.\nIt can contain only letters, digits, emojis, '_', '.', dash, "
            "space. It must start with letter, digit, emoji or '_'."
        )


def _is_letter_or_emoji(char: str) -> bool:
    joins = char in "\u200d\ufe0f" or "\U0001f3fb" <= char <= "\U0001f3ff"  # what makes one emoji of several
    return char.isalnum() or joins or unicodedata.category(char) == "So"


def rsa_bits(text: str) -> int:
    try:
        bits = int(text)
    except ValueError:
        raise ValueError(f'strconv.Atoi: parsing "{text}": invalid syntax') from None
    if bits < 1024:
        raise ValueError("RSA key bit size must be at least 1024")
    if bits % 8:
        raise ValueError("RSA key bit size must be a multiples of 8")
    return bits


@dataclass(frozen=True, slots=True)
class SigningFlags:
    """The flags about commit signing as written; empty strings are flags not given."""

    gpg_key_ring: str = ""
    gpg_passphrase: str = field(default="", repr=False)
    gpg_key_id: str = ""
    ssh_key_file: str = ""
    ssh_password: str = field(default="", repr=False)
    ssh_passphrase: str = field(default="", repr=False)
    ssh_reuse_private_key: bool = False
    private_key_file: str = ""

    def check(self, generates_key: str = "") -> None:
        """`generates_key`: the sub-command that makes its transport key itself, so that none can be reused."""
        gpg = self.gpg_key_ring or self.gpg_passphrase or self.gpg_key_id
        if gpg and (self.ssh_key_file or self.ssh_password or self.ssh_passphrase or self.ssh_reuse_private_key):
            raise InvalidPlan("--gpg-* and --ssh-signing-* are mutually exclusive; pick one signing format")
        if self.ssh_key_file and self.ssh_reuse_private_key:
            raise InvalidPlan("--ssh-signing-key-file and --ssh-signing-reuse-private-key are mutually exclusive")
        if self.ssh_reuse_private_key and generates_key:
            raise InvalidPlan(
                f"--ssh-signing-reuse-private-key is not supported by 'bootstrap {generates_key}'; that subcommand "
                "generates the SSH transport key in-process and has no operator-supplied key to reuse"
            )
        if self.ssh_reuse_private_key and not self.private_key_file:
            raise InvalidPlan("--ssh-signing-reuse-private-key requires --private-key-file")
        if self.ssh_password and self.ssh_passphrase and self.ssh_password != self.ssh_passphrase:
            raise InvalidPlan("--ssh-signing-password and --ssh-signing-passphrase are aliases; do not pass both")
        if (self.ssh_password or self.ssh_passphrase) and not self.ssh_key_file:
            raise InvalidPlan("--ssh-signing-password requires --ssh-signing-key-file")
