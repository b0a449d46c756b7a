"""`create image repository|policy|update`: which images there are, which one is wanted, and what is written to Git."""

import re
from dataclasses import dataclass
from typing import Any

from fleetloop.api.durations import duration_text
from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.create import (
    CreateOptions,
    check_name,
    export,
    manifest_of,
    name_ref,
    seconds_text,
    settle_and_wait,
    timeless_manifest,
)
from fleetloop.cli.errors import UsageError
from fleetloop.cli.goflags import DURATION
from fleetloop.cli.subjects import BY_NAME
from fleetloop.kube.objects import Manifest

_REFLECTIONS = ("Never", "IfNotPresent", "Always")
_GROUP = re.compile(r"\$(?:\{(\w+)\}|(\w+))?")


@dataclass(frozen=True)
class CreateImageRepository(Command):
    """Create or update an ImageRepository, which lists the tags of an image.

    Examples:
      fleetloop create image repository app --image=registry.example.com/org/app --interval=5m
    """

    checks_namespace = False

    name: str = argument()
    common: CreateOptions = options(CreateOptions)
    image: str = flag("--image", help="the image, without a tag")
    secret_ref: str = flag("--secret-ref", help="an existing Secret with an image pull secret")
    cert_ref: str = flag("--cert-ref", help="an existing Secret with TLS certificates")
    scan_timeout: float = flag("--scan-timeout", type=DURATION, help="how long a scan may take")

    def check(self) -> None:
        from fleetloop.oci import InvalidReference, Repository

        check_name(self.name)
        if not self.image:
            raise UsageError("an image repository (--image) is required")
        try:
            Repository.parse(self.image)
        except InvalidReference as error:
            raise UsageError(f"unable to parse image value: {error}") from None
        self.common.labels()

    def run(self, cx: Context) -> None:
        spec = {
            "image": self.image,
            "secretRef": name_ref(self.secret_ref),
            "certSecretRef": name_ref(self.cert_ref),
            "timeout": seconds_text(self.scan_timeout),
        }
        _create(cx, manifest_of(cx, BY_NAME["ImageRepository"], self.name, self.common, spec), self.common)


@dataclass(frozen=True)
class CreateImagePolicy(Command):
    """Create or update an ImagePolicy, which selects one of the tags.

    Examples:
      fleetloop create image policy app --image-ref=app --select-semver=">=1.0.0"
      fleetloop create image policy app --image-ref=app --select-numeric=asc --filter-regex='v(?P<n>.*)' --filter-extract='$n'
    """

    checks_namespace = False

    name: str = argument()
    common: CreateOptions = options(CreateOptions)
    image_ref: str = flag("--image-ref", help="the ImageRepository with the tags")
    select_semver: str = flag("--select-semver", help="the newest version in a range")
    select_alpha: str = flag("--select-alpha", help="the last one by name, asc or desc")
    select_numeric: str = flag("--select-numeric", help="the last one by number, asc or desc")
    filter_regex: str = flag("--filter-regex", help="only tags that match")
    filter_extract: str = flag("--filter-extract", help="compare this part of a tag, made of groups of the expression")
    reflect_digest: str = flag("--reflect-digest", help="when the digest is looked up: Never, IfNotPresent or Always")
    interval: float = flag("--interval", type=DURATION, help="how often the digest is looked up, with Always")

    def check(self) -> None:
        check_name(self.name)
        if not self.image_ref:
            raise UsageError("the name of an ImageRepository in the namespace is required (--image-ref)")
        self._policy()
        self._check_filter()
        if self.reflect_digest and self.reflect_digest not in _REFLECTIONS:
            raise UsageError("invalid value for --reflect-digest, must be one of 'Never', 'IfNotPresent', 'Always'")
        if self.interval and self.reflect_digest != "Always":
            raise UsageError(
                "the --interval flag can only be used with the 'Always' digest reflection policy, use --reflect-digest=Always"
            )
        self.common.labels()

    def run(self, cx: Context) -> None:
        pattern = {"pattern": self.filter_regex, "extract": self.filter_extract}
        spec = {
            "imageRepositoryRef": name_ref(self.image_ref),
            "policy": self._policy(),
            "filterTags": {key: value for key, value in pattern.items() if value},
            "digestReflectionPolicy": self.reflect_digest,
            "interval": duration_text(self.interval) if self.interval else "",
        }
        _create(cx, timeless_manifest(cx, BY_NAME["ImagePolicy"], self.name, self.common, spec), self.common)

    def _policy(self) -> dict[str, Any]:
        """⚠ CLI17: any two of them are refused, and no empty policy is written. Raises UsageError."""
        given = [bool(one) for one in (self.select_semver, self.select_alpha, self.select_numeric)]
        if given.count(True) > 1:
            raise UsageError("only one of --select-semver, --select-alpha or --select-numeric can be specified")
        if self.select_semver:
            return {"semver": {"range": self.select_semver}}
        for flag_name, policy, order in (
            ("--select-alpha", "alphabetical", self.select_alpha),
            ("--select-numeric", "numerical", self.select_numeric),
        ):
            if order and order not in {"asc", "desc"}:
                raise UsageError(f'{flag_name} must be one of ["asc", "desc"]')
            if order:
                return {policy: {"order": order}}
        raise UsageError("a policy must be provided with either --select-semver or --select-alpha")

    def _check_filter(self) -> None:
        """Raises UsageError."""
        if self.filter_extract and not self.filter_regex:
            raise UsageError("cannot specify --filter-extract without specifying --filter-regex")
        try:
            expression = re.compile(self.filter_regex.replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!"))
        except re.error:
            raise UsageError("--filter-regex is an invalid regex pattern") from None
        for found in _GROUP.finditer(self.filter_extract.replace("$$", "")):
            group = found[1] or found[2]
            if not group:
                raise UsageError("--filter-extract is malformed")
            known = int(group) <= expression.groups if group.isdigit() else group in expression.groupindex
            if not known:
                raise UsageError(f"capture group ${group} used in --filter-extract not found in --filter-regex")


@dataclass(frozen=True)
class CreateImageUpdate(Command):
    """Create or update an ImageUpdateAutomation, which writes selected images to Git.

    Examples:
      fleetloop create image update apps --git-repo-ref=apps --git-repo-path=./apps --checkout-branch=main
        --author-name=bot --author-email=bot@example.com
    """

    checks_namespace = False

    name: str = argument()
    common: CreateOptions = options(CreateOptions)
    git_repo_ref: str = flag("--git-repo-ref", help="the GitRepository to write to")
    git_repo_namespace: str = flag("--git-repo-namespace", help="its namespace, if another")
    git_repo_path: str = flag("--git-repo-path", help="the directory to change")
    checkout_branch: str = flag("--checkout-branch", help="the branch to start from")
    push_branch: str = flag("--push-branch", help="the branch to push to, if another")
    commit_template: str = flag("--commit-template", help="a template of the commit's message")
    author_name: str = flag("--author-name", help="name of the commit's author")
    author_email: str = flag("--author-email", help="e-mail address of the commit's author")
    signing_key_secret: str = flag("--signing-key-secret", help="an existing Secret with a key to sign with")
    signing_key_type: str = flag("--signing-key-type", help="gpg or ssh")

    def check(self) -> None:
        check_name(self.name)
        for value, what in (
            (self.git_repo_ref, "a reference to a GitRepository is required (--git-repo-ref)"),
            (self.checkout_branch, "the Git repository branch is required (--checkout-branch)"),
            (self.author_name, "the author name is required (--author-name)"),
            (self.author_email, "the author email is required (--author-email)"),
        ):
            if not value:
                raise UsageError(what)
        if self.signing_key_type and not self.signing_key_secret:
            raise UsageError("--signing-key-type requires --signing-key-secret")
        if self.signing_key_type not in {"", "gpg", "ssh"}:
            raise UsageError("--signing-key-type must be one of: gpg, ssh")
        self.common.labels()

    def run(self, cx: Context) -> None:
        source = {"kind": "GitRepository", "name": self.git_repo_ref}
        if self.git_repo_namespace:
            source["namespace"] = self.git_repo_namespace
        spec = {
            "sourceRef": source,
            "git": self._git(),
            "update": {"path": self.git_repo_path, "strategy": "Setters"} if self.git_repo_path else None,
        }
        _create(cx, manifest_of(cx, BY_NAME["ImageUpdateAutomation"], self.name, self.common, spec), self.common)

    def _git(self) -> dict[str, Any]:
        commit: dict[str, Any] = {"author": {"email": self.author_email, "name": self.author_name}}
        if self.commit_template:
            commit["messageTemplate"] = self.commit_template
        if self.signing_key_secret:
            kind = {"type": self.signing_key_type} if self.signing_key_type else {}
            commit["signingKey"] = {"secretRef": {"name": self.signing_key_secret}} | kind
        found: dict[str, Any] = {"checkout": {"ref": {"branch": self.checkout_branch}}, "commit": commit}
        return found | ({"push": {"branch": self.push_branch}} if self.push_branch else {})


def _create(cx: Context, manifest: Manifest, common: CreateOptions) -> None:
    kind = BY_NAME[manifest["kind"]]
    if common.export:
        export(cx, manifest)
        return
    cx.say.generate(f"generating {kind.kind}")
    settle_and_wait(cx, kind, manifest, kind.kind)
    cx.say.success(f"{kind.kind} reconciliation completed")
