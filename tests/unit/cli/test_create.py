"""`create … --export` and its refusals: what is printed, without a cluster."""

import json
from pathlib import Path
from typing import Any

import pytest

from fleetloop.api.yaml import load
from fleetloop.cli.main import exit_code_of

CHART = "--source=HelmRepository/charts"


class Printed:
    """What a command printed, and its exit code."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *words: str) -> None:
        self.code = exit_code_of(["fleetloop", "create", *words])
        self.output, self.errors = capsys.readouterr()

    @property
    def spec(self) -> dict[str, Any]:
        assert self.code == 0, self.errors
        found: dict[str, Any] = load(self.output.removeprefix("---\n"))["spec"]
        return found


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("source", "oci"), "name is required"),
        (("source", "oci", "ab"), "url is required"),
        (("source", "oci", "ab", "--url=oci://x/y"), "--tag, --tag-semver or --digest is required"),
        (
            ("source", "oci", "ab", "--url=oci://x/y", "--tag=1", "--layer-selector=a"),
            "invalid --layer-selector \"a\": must be in the format '<media-type>:<operation>'",
        ),
        (
            ("source", "oci", "ab", "--url=oci://x/y", "--tag=1", "--layer-selector=a:b"),
            'invalid --layer-selector "a:b": operation must be "extract" or "copy"',
        ),
        (
            ("source", "oci", "ab", "--url=oci://x/y", "--tag=1", "--verify-secret-ref=x"),
            "a verification provider must be specified when a secret is specified",
        ),
        (("source", "bucket", "ab"), "bucket-name is required"),
        (("source", "bucket", "ab", "--bucket-name=b"), "endpoint is required"),
        (("source", "helm", "ab"), "url is required"),
        (("source", "helm", "ab", "--url=ftp://x"), "url scheme 'ftp' not supported, can be: http, https and oci"),
        (("source", "helm", "ab", "--url=https:///x"), "url host is required"),
        (("source", "chart", "ab"), "chart source is required"),
        (("source", "chart", "ab", CHART), "chart name or path is required"),
        (("hr", "ab"), "chart or chart-ref is required"),
        (("hr", "ab", "--chart=a", "--chart-ref=HelmChart/a"), "cannot use --chart in combination with --chart-ref"),
        (
            ("hr", "ab", "--chart=a", "--reconcile-strategy=x"),
            "'x' is an invalid reconcile strategy(valid: Revision, ChartVersion)",
        ),
        (
            ("hr", "ab", "--chart-ref=Bucket/a"),
            "chart reference kind 'Bucket' is not supported, must be one of: OCIRepository, HelmChart",
        ),
        (
            ("hr", "ab", "--chart=a", "--values-from=x"),
            "invalid Kubernetes object reference 'x', must be in format <kind>/<name>",
        ),
        (
            ("hr", "ab", "--chart=a", "--values-from=Pod/x"),
            "reference kind 'Pod' is not supported, must be one of: Secret, ConfigMap",
        ),
        (("alert", "ab"), "provider ref is required"),
        (("alert", "ab", "--provider-ref=p"), "at least one event source is required"),
        (
            ("alert", "ab", "--provider-ref=p", "--event-source=x"),
            "invalid event source 'x', must be in format <kind>/<name>",
        ),
        (("alert-provider", "ab"), "Provider type is required"),
        (("receiver", "ab"), "Receiver type is required"),
        (("receiver", "ab", "--type=github"), "secret ref is required"),
        (("receiver", "ab", "--type=github", "--secret-ref=s"), "atleast one resource is required"),
        (("image", "repository", "ab"), "an image repository (--image) is required"),
        (
            ("image", "repository", "ab", "--image=UPPER/x"),
            "unable to parse image value: 'index.docker.io/UPPER/x' is no repository: 'UPPER/x' is not a valid repository name",
        ),
        (("image", "policy", "ab"), "the name of an ImageRepository in the namespace is required (--image-ref)"),
        (
            ("image", "policy", "ab", "--image-ref=x"),
            "a policy must be provided with either --select-semver or --select-alpha",
        ),
        (
            ("image", "policy", "ab", "--image-ref=x", "--select-alpha=up"),
            '--select-alpha must be one of ["asc", "desc"]',
        ),
        (
            ("image", "policy", "ab", "--image-ref=x", "--select-alpha=asc", "--filter-regex=(", "--filter-extract=$1"),
            "--filter-regex is an invalid regex pattern",
        ),
        (
            ("image", "policy", "ab", "--image-ref=x", "--select-alpha=asc", "--filter-regex=(?<n>.)", "--filter-extract=$m"),
            "capture group $m used in --filter-extract not found in --filter-regex",
        ),
        (
            ("image", "policy", "ab", "--image-ref=x", "--select-alpha=asc", "--interval=1m"),
            "the --interval flag can only be used with the 'Always' digest reflection policy, use --reflect-digest=Always",
        ),
        (("image", "update", "ab"), "a reference to a GitRepository is required (--git-repo-ref)"),
        (("secret", "notation", "ab"), "--ca-cert-file is required"),
        (("secret", "notation", "ab", "--ca-cert-file=a.crt"), "--trust-policy-file is required"),
        (
            ("secret", "notation", "ab", "--ca-cert-file=a.crt", "--trust-policy-file=/nope"),
            "unable to read trust policy file: open /nope: no such file or directory",
        ),
        (
            ("secret", "githubapp", "ab", "--app-id=1", "--export"),
            "unable to read private key file: open : no such file or directory",
        ),
    ],
)
def test_refused(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str) -> None:
    done = Printed(capsys, *words)
    assert (done.code, done.output, done.errors) == (1, "", f"✗ {message}\n")


def test_source_oci(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("source", "oci", "ab", "--url=oci://x/y", "--tag=1", "--tag-semver=1.x", "--layer-selector=a/b:copy", "--insecure")
    verify = ("--verify-provider=cosign", "--verify-issuer=^i$", "--verify-subject=^s$")
    assert Printed(capsys, *words, *verify, "--cert-ref=c", "--service-account=sa", "--export").spec == {
        "certSecretRef": {"name": "c"},
        "insecure": True,
        "interval": "1m0s",
        "layerSelector": {"mediaType": "a/b", "operation": "copy"},
        "provider": "generic",
        "ref": {"semver": "1.x", "tag": "1"},
        "serviceAccountName": "sa",
        "url": "oci://x/y",
        "verify": {"matchOIDCIdentity": [{"issuer": "^i$", "subject": "^s$"}], "provider": "cosign"},
    }


def test_source_helm(capsys: pytest.CaptureFixture[str]) -> None:
    oci = Printed(capsys, "source", "helm", "ab", "--url=oci://x/y", "--oci-provider=aws", "--pass-credentials", "--export")
    assert oci.spec == {"interval": "1m0s", "provider": "aws", "type": "oci", "url": "oci://x/y"}
    words = ("source", "helm", "ab", "--url=https://x", "--secret-ref=s", "--pass-credentials", "--export")
    assert Printed(capsys, *words).spec == {
        "interval": "1m0s",
        "passCredentials": True,
        "secretRef": {"name": "s"},
        "url": "https://x",
    }


def test_source_chart_tells_what_it_generates_even_when_it_only_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """⚠ CLI13: this verb alone."""
    chart = Printed(capsys, "source", "chart", "ab", "--source=helmrepository/charts", "--chart=app", "--export")
    assert chart.errors == "✚ generating HelmChart source\n"
    assert chart.spec["sourceRef"] == {"kind": "HelmRepository", "name": "charts"}
    others = [
        ("source", "oci", "ab", "--url=oci://x/y", "--tag=1"),
        ("source", "helm", "ab", "--url=https://x"),
        ("source", "bucket", "ab", "--bucket-name=b", "--endpoint=e"),
        ("source", "git", "ab", "--url=https://x", "--branch=main"),
        ("hr", "ab", "--chart=a", CHART),
        ("image", "repository", "ab", "--image=x/y"),
        ("receiver", "ab", "--type=github", "--secret-ref=s", "--resource=GitRepository/a"),
    ]
    assert {Printed(capsys, *words, "--export").errors for words in others} == {""}


@pytest.mark.parametrize("flag", ["--verify-subject=x", "--verify-issuer=x"])
def test_chart_identity_without_provider(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    """⚠ CLI21: Flux drops a subject silently, so that nothing is verified; here it is refused, for charts as for registries."""
    done = Printed(capsys, "source", "chart", "ab", CHART, "--chart=app", flag, "--export")
    message = "✗ a verification provider must be specified when OIDC issuer/subject is specified\n"
    assert (done.code, done.output, done.errors) == (1, "", message)


def test_release_without_source(capsys: pytest.CaptureFixture[str]) -> None:
    """⚠ CLI16: written with an empty name, as scripts get it that fill it in afterwards."""
    done = Printed(capsys, "helmrelease", "ab", "--chart=app", "--export")
    assert done.spec["chart"]["spec"] == {"chart": "app", "reconcileStrategy": "ChartVersion", "sourceRef": {"name": ""}}


def test_release(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("a: {b: 1, c: [1, 2]}\nd: 1\n")
    (tmp_path / "two.yaml").write_text("a: {c: [3], e: null}\n")
    done = Printed(
        capsys,
        *("hr", "ab", "--chart=app", "--source=gitrepository/x.y", "--chart-version=1.x", "--chart-interval=5m"),
        *("--target-namespace=t", "--create-target-namespace", "--crds=CreateReplace", "--depends-on=a,b/c"),
        *("--values-from=secret/s,ConfigMap/c", f"--values={tmp_path}/one.yaml", f"--values={tmp_path}/two.yaml", "--export"),
    )
    source = {"kind": "GitRepository", "name": "x", "namespace": "y"}
    chart = {"chart": "app", "interval": "5m0s", "reconcileStrategy": "ChartVersion", "sourceRef": source, "version": "1.x"}
    assert done.spec == {
        "chart": {"spec": chart},
        "dependsOn": [{"name": "a"}, {"name": "c", "namespace": "b"}],
        "install": {"crds": "Create", "createNamespace": True},
        "interval": "1m0s",
        "storageNamespace": "t",
        "targetNamespace": "t",
        "upgrade": {"crds": "CreateReplace"},
        "values": {"a": {"b": 1, "c": [3], "e": None}, "d": 1},
        "valuesFrom": [{"kind": "Secret", "name": "s"}, {"kind": "ConfigMap", "name": "c"}],
    }
    missing = Printed(capsys, "hr", "ab", "--chart=app", "--values=/nope.yaml", "--export")
    assert missing.errors == "✗ reading values from /nope.yaml failed: open /nope.yaml: no such file or directory\n"


@pytest.mark.parametrize("second", ["--select-alpha=asc", "--select-numeric=asc"])
def test_two_policies(capsys: pytest.CaptureFixture[str], second: str) -> None:
    """⚠ CLI17: Flux lets a range pass beside another policy, and writes none of them."""
    done = Printed(capsys, "image", "policy", "ab", "--image-ref=x", "--select-semver=1.x", second, "--export")
    message = "✗ only one of --select-semver, --select-alpha or --select-numeric can be specified\n"
    assert (done.code, done.output, done.errors) == (1, "", message)


def test_image_policy(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("image", "policy", "ab", "--image-ref=x", "--select-numeric=asc", "--reflect-digest=Always", "--interval=5m")
    assert Printed(capsys, *words, "--filter-regex=v(?P<n>.*)", "--filter-extract=$n", "--export").spec == {
        "digestReflectionPolicy": "Always",
        "filterTags": {"extract": "$n", "pattern": "v(?P<n>.*)"},
        "imageRepositoryRef": {"name": "x"},
        "interval": "5m0s",
        "policy": {"numerical": {"order": "asc"}},
    }


def test_names_in_sources_of_alerts_and_receivers(capsys: pytest.CaptureFixture[str]) -> None:
    """A dot splits a namespace off for an Alert and not for a Receiver."""
    alert = Printed(capsys, "alert", "ab", "--provider-ref=p", "--event-source=Kustomization/a.b", "--export")
    assert alert.spec["eventSources"] == [{"kind": "Kustomization", "name": "a", "namespace": "b"}]
    words = ("receiver", "ab", "--type=github", "--secret-ref=s", "--resource=GitRepository/a.b", "--event=push", "--export")
    assert Printed(capsys, *words).spec == {
        "events": ["push"],
        "resources": [{"kind": "GitRepository", "name": "a.b"}],
        "secretRef": {"name": "s"},
        "type": "github",
    }


def test_secret_notation(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("PEM")
    policy, ca = tmp_path / "policy.json", f"--ca-cert-file={tmp_path}/ca.crt"
    words = ("secret", "notation", "ab", f"--trust-policy-file={policy}", "--export")
    statement = '{"name": "a", "registryScopes": ["*"], "signatureVerification": {"level": "strict"}'
    trusted = f'{{"version": "1.0", "trustPolicies": [{statement}, "trustStores": ["ca:x"], "trustedIdentities": ["*"]}}]}}'
    policy.write_text(trusted)
    done = Printed(capsys, *words, ca)
    assert load(done.output.removeprefix("---\n"))["stringData"] == {"ca.crt": "PEM", "trustpolicy.json": trusted}
    wrong = Printed(capsys, *words, ca, "--ca-cert-file=a.txt", "--ca-cert-file=b.txt")
    assert wrong.errors == "✗ a.txt must end with either .crt or .pem\nb.txt must end with either .crt or .pem\n"
    policy.write_text('{"version": "1.0"}')
    assert Printed(capsys, *words, ca).errors.startswith("✗ invalid trust policy: ")
    policy.write_text("{")
    assert Printed(capsys, *words, ca).errors.startswith(f"✗ failed to unmarshal trust policy {policy}: ")


def test_a_charts_source_may_have_dots_in_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """It is in the chart's namespace; that of a HelmRelease may be in another, behind the last dot."""
    source = "--source=HelmRepository/charts.v2"
    chart = Printed(capsys, "source", "chart", "ab", source, "--chart=app", "--export").spec
    assert chart["sourceRef"] == {"kind": "HelmRepository", "name": "charts.v2"}
    release = Printed(capsys, "hr", "ab", source, "--chart=app", "--export").spec
    assert release["chart"]["spec"]["sourceRef"] == {"kind": "HelmRepository", "name": "charts", "namespace": "v2"}


def test_certificates_for_notation_are_all_looked_at(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    statement = {"name": "a", "registryScopes": ["*"], "signatureVerification": {"level": "skip"}}
    policy = tmp_path / "trustpolicy.json"
    policy.write_text(json.dumps({"version": "1.0", "trustPolicies": [statement]}))
    files = f"--ca-cert-file=/nope/a.txt,/nope/b.crt,{tmp_path}/c"
    done = Printed(capsys, "secret", "notation", "ab", files, f"--trust-policy-file={policy}")
    assert done.errors == (
        "✗ a.txt must end with either .crt or .pem\n"
        "unable to read TLS CA file: open /nope/b.crt: no such file or directory\n"
        "c must end with either .crt or .pem\n"
    )
