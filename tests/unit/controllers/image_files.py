"""Files as fleets have them, with marked images: 200 of them, made from a number, each with what it must be after an update.

A file is written as text with gaps; a gap is filled once with the old value and once with the new one, by rules written down
here and not by the code under test. All that is not a gap is the same in both by construction.

A file is one to four documents: Deployments, Lists, HelmReleases and Helm values, Kustomizations, ConfigMaps with files in them,
flows and JSON, block scalars, anchors and merge keys, CustomResourceDefinitions, lines of 40 000 characters. Comments stand
wherever YAML lets them. Line ends are LF or CRLF, separators spaces or tabs, some files begin with a byte order mark, some have
no last line end. One in fourteen is a Go template, whose marks stay as they are.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fleetloop.api.image import ImageRef

DIGEST = "sha256:" + "ab" * 32
NAMESPACE = "flux-system"
OLD = {
    "app": ImageRef(name="ghcr.io/acme/app", tag="1.0.0"),
    "web": ImageRef(name="registry.local:5000/web", tag="main-0a1b2c3-1600000000"),
    "num": ImageRef(name="nginx", tag="1.24"),
    "pinned": ImageRef(name="docker.io/library/redis", tag="7.0.0", digest="sha256:" + "cd" * 32),
}
NEW = {
    "app": ImageRef(name="ghcr.io/acme/app", tag="1.10.0"),
    "web": ImageRef(name="registry.local:5000/web", tag="main-ffffff0-1700000000"),
    "num": ImageRef(name="nginx", tag="1.25"),
    "pinned": ImageRef(name="docker.io/library/redis", tag="7.2.4", digest=DIGEST),
}


@dataclass(frozen=True)
class Gap:
    """A marked value: of which policy, which part, in which quotes."""

    policy: str
    part: str = ""
    quote: str = ""

    def filled(self, images: dict[str, ImageRef]) -> str:
        image = images[self.policy]
        whole = f"{image.name}:{image.tag}" + (f"@{image.digest}" if image.digest else "")
        value = {"": whole, "name": image.name, "tag": image.tag, "digest": image.digest}[self.part]
        quote = self.quote or ('"' if value.replace(".", "").isdigit() or not value else "")
        return quote + value + quote

    @property
    def marker(self) -> str:
        part = f":{self.part}" if self.part else ""
        return f'{{"$imagepolicy": "{NAMESPACE}:{self.policy}{part}"}}'


Part = str | Gap


@dataclass(frozen=True)
class MarkedFile:
    """`is_template`: no YAML, left as it is."""

    before: bytes
    after: bytes
    marks: int
    is_template: bool = False


def files(count: int = 200) -> list[MarkedFile]:
    return [_file(random.Random(number)) for number in range(count)]


def _file(rng: random.Random) -> MarkedFile:
    if rng.random() < 1 / 14:
        return _template(rng)
    parts: list[Part] = [rng.choice(["", "# managed by the platform team\n", "---\n", "%YAML 1.1\n---\n", "\n\n"])]
    has_directive = parts[0] == "%YAML 1.1\n---\n"
    documents = 1 if has_directive else rng.randint(1, 4)
    for number in range(documents):
        if number:
            parts.append(rng.choice(["---\n", "--- # next\n", "\n---\n\n", "---\n# nothing but this comment\n---\n"]))
        parts += rng.choice(_KINDS)(rng)
    parts.append(rng.choice(["", "\n", "\n\n\n", "# end", "...\n"]))
    end = rng.choice(["\n", "\n", "\r\n"])
    mark = rng.choice(["", "", "", "\ufeff"])
    strip = rng.random() < 0.2

    def text(images: dict[str, ImageRef]) -> bytes:
        filled = "".join(part if isinstance(part, str) else part.filled(images) for part in parts)
        return (mark + (filled.rstrip("\n") if strip else filled).replace("\n", end)).encode()

    return MarkedFile(text(OLD), text(NEW), sum(isinstance(part, Gap) for part in parts))


def _template(rng: random.Random) -> MarkedFile:
    """Of a chart."""
    gap = _gap(rng)
    value = gap.filled(OLD)
    text = rng.choice(
        [
            f"{{{{- if .Values.enabled }}}}\nimage: {value} # {gap.marker}\n{{{{- end }}}}\n",
            f"kind: Deployment\nspec:\n  {{{{- with .Values.spec }}}}\n  image: {value} # {gap.marker}\n  {{{{- end }}}}\n",
            f'a: {{{{ .Values.a }}}}\nlabels: {{{{- include "x" . | nindent 4 }}}}\nimage: {value} # {gap.marker}\n',
        ]
    ).encode()
    return MarkedFile(text, text, 1, is_template=True)


def _gap(rng: random.Random, *parts: str) -> Gap:
    part = rng.choice(parts or ("",))
    policy = "pinned" if part == "digest" else rng.choice(["app", "web", "num", "pinned"])
    return Gap(policy, part, rng.choice(["", "", '"', "'"]))


def _behind(rng: random.Random, gap: Gap) -> list[Part]:
    """The value and its comment."""
    spaces = rng.choice([" ", "  ", "\t", "      "])
    return [gap, f"{spaces}#{rng.choice(['', ' ', '  '])}{gap.marker}{rng.choice(['', ' '])}\n"]


def _deployment(rng: random.Random) -> Sequence[Part]:
    deep = rng.choice(["  ", "    "])
    dash = rng.choice(["", deep])
    item = deep * 3 + dash
    made: list[Part] = [
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n{deep}name: web   # front door\n"
        f"{deep}labels: {{ app: web, 'tier':  \"x\" }}\n"
        f"spec:\n{deep}template:\n{deep * 2}spec:\n{deep * 3}containers:\n"
    ]
    for number in range(rng.randint(1, 3)):
        made += [f"{item}- name: c{number}\n\n" if rng.random() < 0.3 else f"{item}- name: c{number}\n"]
        anchor = rng.choice(["", " ", f"&img{number} "])
        made += [f"{item}  image: {anchor}", *_behind(rng, _gap(rng))]
        note = rng.choice(["äöü 😀", 'no "$imagepolicy" here', "{}"])
        made += [f"{item}  args: [ \"--a=b\",  '--c' , plain ]   # {note}\n"]
        made += [f'{item}  env: {{A: &a "1", B: *a}}\n']
    return made


def _helm_release(rng: random.Random) -> Sequence[Part]:
    made: list[Part] = [
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: app\n  namespace: apps\nspec:\n"
        "  chart:\n    spec:\n      version: "
    ]
    made += _behind(rng, _gap(rng, "tag"))
    policy = rng.choice(["app", "web"])
    made += ["  values:\n    image:\n      repository: ", *_behind(rng, Gap(policy, "name", rng.choice(["", "'"])))]
    made += ["      tag: ", *_behind(rng, Gap(policy, "tag"))]
    made += ["    note: >-\n      folded   text\n\n      with gaps # not a comment\n    empty:\n    nothing: ~\n"]
    return made


def _kustomization(rng: random.Random) -> Sequence[Part]:
    made: list[Part] = ["apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- ../base\nimages:\n"]
    for name in ("app", "web")[: rng.randint(1, 2)]:
        made += [f"- name: {name}\n  newName: ", *_behind(rng, Gap(name, "name")), "  newTag: ", *_behind(rng, Gap(name, "tag"))]
    if rng.random() < 0.5:
        made += ["- name: redis\n  digest: ", *_behind(rng, Gap("pinned", "digest"))]
    return made


def _config_map(rng: random.Random) -> Sequence[Part]:
    """A file in a file: what it marks is not ours."""
    foreign = f'# {{"$imagepolicy": "{NAMESPACE}:app"}}'
    made: list[Part] = [
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: values}\ndata:\n  values.yaml: |\n"
        f"    image: old:1.0 {foreign}\n    # {foreign}\n\n    list:\n    - a\n"
    ]
    made += ["  image: ", *_behind(rng, _gap(rng))]
    made += [f'  quoted: "a # {NAMESPACE}: \\"$imagepolicy\\""\n']
    return made


def _above(rng: random.Random) -> Sequence[Part]:
    gap = _gap(rng)
    return ["list:\n", f"  # {gap.marker}\n", "  - ", gap, "\n  - other\n"]


def _block(rng: random.Random) -> Sequence[Part]:
    gap = Gap(rng.choice(["app", "web"]))
    style = rng.choice(["|", "|-", ">", ">-", "|+"])
    return [f"kind: X\nimage: {style} # {gap.marker}\n  ", gap, "\n\nnext: 1\n"]


def _flow(rng: random.Random) -> Sequence[Part]:
    first, second = Gap("app", "name", "'"), Gap("app", "tag", rng.choice(["", '"']))
    return [
        "image: {\n  repository: ",
        first,
        f", # {first.marker}\n  tag:   ",
        second,
        f"   # {second.marker}\n}}\nother: [1,2,   3]\n",
    ]


def _merge_keys(rng: random.Random) -> Sequence[Part]:
    gap = _gap(rng)
    return ["base: &base\n    image:    ", *_behind(rng, gap), "copy:\n    <<: *base\n    replicas: 0x1F\n? complex\n: value\n"]


def _own_columns(rng: random.Random) -> Sequence[Part]:
    gap = _gap(rng, "tag", "")
    wide = " " * rng.randint(1, 30)
    return [f'"image"{wide}: {wide}', *_behind(rng, gap), f"date: 2024-01-01{wide}\nlong: {'x' * 200} {'y' * 100}\n"]


def _helm_values(rng: random.Random) -> Sequence[Part]:
    """With the comments of a chart's own values.yaml."""
    policy = rng.choice(["app", "web"])
    made: list[Part] = [
        "## @section Image parameters\n## @param image.repository [default: REPOSITORY] the image\n##\nimage:\n"
        '  registry: ""   \n  ## e.g:\n  ## tag: 1.0.0 # {"like": "this"}\n  ##\n  repository: '
    ]
    made += [*_behind(rng, Gap(policy, "name", rng.choice(["", "'"]))), "  tag: ", *_behind(rng, _gap(rng, "tag"))]
    made += ["  pullSecrets: []\n\n  ## e.g:\n  # - name: x\nresources: {}\n  # limits:\n  #   cpu: 1\n"]
    made += ["sidecar:\n    # the image\n\n    # of the sidecar\n    image: ", *_behind(rng, _gap(rng))]
    return [*made, rng.choice(["nodeSelector:\n  ? kubernetes.io/os\n  : linux\n", "tolerations: [ ]\n"])]


def _json(rng: random.Random) -> Sequence[Part]:
    """As a YAML file with comments, as some write it."""
    gap, tag = Gap("app", "", '"'), Gap("num", "tag", '"')
    return [
        '{\n  "apiVersion": "v1", "kind": "Pod",\n  "metadata": {"name": "a", "labels": {"x\\u0041\\/y": "\\u00e9\\u2028"}},\n',
        f'  # {{"about": "the image"}}\n  "spec": {{\n{" " * rng.randint(2, 9)}"image":{rng.choice([" ", "  "])}',
        gap,
        f', # {gap.marker}\n    "tag": ',
        tag,
        f" # {tag.marker}\n  }}\n}}\n",
    ]


def _long_lines(rng: random.Random) -> Sequence[Part]:
    """A dashboard in one line, a long list, an image far to the right."""
    gap = _gap(rng)
    wide = " " * rng.choice([1, 300, 20_000])
    made: list[Part] = [f"dashboard: '{'{}, its #' * 4000}'\nlist: [{', '.join(map(str, range(5000)))}]\nimage:{wide}"]
    return [*made, gap, f"{wide}# {gap.marker}\nbase64: {'QUJD' * 10_000}\n"]


def _tabs(rng: random.Random) -> Sequence[Part]:
    """Wherever YAML takes them for spaces."""
    first, second = _gap(rng), Gap("web", "tag", "'")
    made: list[Part] = ["image:\t", first, f"\t\t#\t{first.marker}\t\n\nother: \t x\t# \tnote\n", "flow:\t[\ta,\t"]
    return [*made, second, f"\t,\t# {second.marker}\n\tb\t]\n"]


def _list_of_objects(rng: random.Random) -> Sequence[Part]:
    """Items that begin at the dash, nested ones, and comments between."""
    made: list[Part] = ["apiVersion: v1\nkind: List\nitems:\n# the first\n"]
    for number in range(rng.randint(1, 3)):
        made += [f"-   apiVersion: batch/v1\n    kind: CronJob\n    metadata: {{name: job-{number}}}\n    spec:\n"]
        made += ["      images:\n      -   - ", *_behind(rng, _gap(rng)), "          - plain\n      # after the list\n"]
        made += ["      !!str image : ", *_behind(rng, _gap(rng)), "    #comment without a space\n"]
    return made


def _definition(rng: random.Random) -> Sequence[Part]:
    """Prose that speaks of markers, and a default that is marked."""
    gap = _gap(rng)
    return [
        'kind: CustomResourceDefinition\nspec:\n  description: |+2\n      Use \'# {"$imagepolicy": "ns:name"}\'\n\n'
        f'    to mark.\n\n  # prose about "$imagepolicy" {chr(0x85).encode("unicode_escape").decode()}\n  plain: several\n'
        '    lines of\n\n    plain text\n  double: "folded \\\n    over\\tlines"\n  default: ',
        *_behind(rng, gap),
        "  pattern: ^(?:#|[^'\"]+)$\n",
    ]


_KINDS: list[Callable[[random.Random], Sequence[Part]]] = [
    _deployment,
    _helm_release,
    _kustomization,
    _config_map,
    _above,
    _block,
    _flow,
    _merge_keys,
    _own_columns,
    _helm_values,
    _json,
    _long_lines,
    _tabs,
    _list_of_objects,
    _definition,
]
