"""`create source bucket`: follow the objects of a bucket."""

from dataclasses import dataclass
from typing import Any

from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.create import apply_and_wait, artifact_revision, check_name, export, manifest_of, name_ref, seconds_text
from fleetloop.cli.create_secret import SecretContent
from fleetloop.cli.create_source import PROVIDER, SourceOptions, apply_credentials
from fleetloop.cli.errors import UsageError
from fleetloop.cli.subjects import BY_NAME

WHAT = "Bucket source"


@dataclass(frozen=True)
class CreateSourceBucket(Command):
    """Create or update a Bucket source.

    Examples:
      fleetloop create source bucket apps --bucket-name=apps --endpoint=minio.example.com --access-key=me --secret-key=$KEY
    """

    checks_namespace = False

    name: str = argument()
    shared: SourceOptions = options(SourceOptions)
    provider: str = flag("--provider", type=PROVIDER, default="generic", help="whose bucket it is")
    bucket_name: str = flag("--bucket-name", help="name of the bucket")
    endpoint: str = flag("--endpoint", help="address of the bucket's server")
    region: str = flag("--region", help="region of the bucket")
    insecure: bool = flag("--insecure", help="plain HTTP")
    access_key: str = flag("--access-key", help="access key")
    secret_key: str = flag("--secret-key", help="secret key")
    secret_ref: str = flag("--secret-ref", help="an existing Secret with credentials")
    proxy_secret_ref: str = flag("--proxy-secret-ref", help="an existing Secret with a proxy's address")
    ignore_paths: tuple[str, ...] = flag("--ignore-paths", help="objects to leave out, in .gitignore form")

    def check(self) -> None:
        check_name(self.name)
        if not self.bucket_name:
            raise UsageError("bucket-name is required")
        if not self.endpoint:
            raise UsageError("endpoint is required")
        self.shared.common.labels()

    def run(self, cx: Context) -> None:
        kind = BY_NAME["Bucket"]
        manifest = manifest_of(cx, kind, self.name, self.shared.common, self._spec())
        if self.shared.common.export:
            export(cx, manifest)
            return
        cx.say.generate(f"generating {WHAT}")
        if not self.secret_ref and self.access_key and self.secret_key:
            cx.say.action("applying secret with the bucket credentials")
            secret = f"bucket-{self.name}"
            data = {"accesskey": self.access_key, "secretkey": self.secret_key}
            apply_credentials(cx, {**manifest["metadata"], "name": secret}, SecretContent(data))
            cx.say.success("authentication configured")
            manifest["spec"]["secretRef"] = {"name": secret}
        done = apply_and_wait(cx, kind, manifest, WHAT)
        cx.say.success(f"{WHAT} reconciliation completed")
        missing = f"{WHAT} reconciliation but no artifact was found"
        cx.say.success(f"fetched revision: {artifact_revision(done, WHAT, missing)}")

    def _spec(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "bucketName": self.bucket_name,
            "endpoint": self.endpoint,
            "region": self.region,
            "insecure": self.insecure or None,
            "timeout": seconds_text(self.shared.fetch_timeout),
            "secretRef": name_ref(self.secret_ref),
            "proxySecretRef": name_ref(self.proxy_secret_ref),
            "ignore": "\n".join(self.ignore_paths),
        }
