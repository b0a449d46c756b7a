"""What the setters do to a file, and what they leave as it is."""

import itertools
import random
import time

import pytest
import yaml

from fleetloop.api.image import ImageRef
from fleetloop.controllers.image_automation.setters import Edited, edit, is_plain
from tests.unit.controllers.image_files import NAMESPACE, NEW, files

APP = ImageRef(name="ghcr.io/acme/app", tag="2.0.0")
IMAGES = {(NAMESPACE, name): image for name, image in NEW.items()} | {("team", "app"): APP}


def edited(text: str, image: ImageRef = APP) -> Edited:
    return edit(text.encode(), {("team", "app"): image})


def test_nothing_but_the_marked_bytes_changes_in_a_corpus_of_200_files() -> None:
    corpus = files(200)
    for number, file in enumerate(corpus):
        found = edit(file.before, IMAGES)
        assert found.content == file.after, f"file {number}"
        assert bool(found.left_alone) == file.is_template
        assert edit(found.content, IMAGES).changes == (), "a second pass finds nothing to do"
    assert sum(file.marks for file in corpus) > 500
    has = {
        "Windows line ends": b"\r\n",
        "byte order marks": b"\xef\xbb\xbf",
        "tabs": b"\t# {",
        "several documents": b"\n---",
        "Helm values": b"## @section",
        "Kustomizations": b"newTag:",
        "anchors": b"&base",
        "blocks": b"image: |",
        "files in files": b"values.yaml: |",
        "JSON": b'"kind": "Pod"',
        "templates": b"{{-",
        "long lines": b"QUJD" * 10_000,
    }
    assert {name for name, mark in has.items() if sum(mark in file.before for file in corpus) < 5} == set()


@pytest.mark.parametrize(
    "value", ["1.0", "1", "0x1f", "1e3", "yes", "on", "n", "null", "~", "2024-01-01", "1:20", "1_000", ".inf", "", "-"]
)
def test_hn20_what_yaml_1_1_would_not_read_as_a_text_is_quoted(value: str) -> None:
    """HN20: else a reader would take it for a number, a date or a truth value."""
    found = edited('tag: old # {"$imagepolicy": "team:app:tag"}\n', ImageRef(name="x", tag=value))
    assert found.content.decode() == f'tag: "{value}" # {{"$imagepolicy": "team:app:tag"}}\n'


@pytest.mark.parametrize("value", ["v1.0", "1.0.0", "main-1a2b-17", "latest", "1.0-rc.1", "3.0.0_build"])
def test_hn20_what_is_a_text_is_not_quoted(value: str) -> None:
    assert is_plain(value)
    assert yaml.safe_load(f"a: {value}") == {"a": value}


@pytest.mark.parametrize("quote", ["'", '"'])
def test_hn20_quotes_stay(quote: str) -> None:
    found = edited(f'tag: {quote}old{quote} # {{"$imagepolicy": "team:app:tag"}}\n')
    assert found.content.decode() == f'tag: {quote}2.0.0{quote} # {{"$imagepolicy": "team:app:tag"}}\n'


def test_hn20_the_digest_of_a_policy_without_one_is_empty() -> None:
    found = edited('digest: sha256:abc # {"$imagepolicy": "team:app:digest"}\n')
    assert found.content.decode() == 'digest: "" # {"$imagepolicy": "team:app:digest"}\n'


def test_a_digest_is_part_of_the_whole_reference() -> None:
    image = ImageRef(name="x", tag="1", digest="sha256:ab")
    assert edited('image: old # {"$imagepolicy": "team:app"}\n', image).content.startswith(b"image: x:1@sha256:ab #")


def test_the_change_names_the_object_of_its_document() -> None:
    text = (
        'kind: A\n---\napiVersion: v1\nkind: B\nmetadata:\n  name: b\n  namespace: n\nimage: o:1 # {"$imagepolicy": "team:app"}\n'
    )
    [change] = edited(text).changes
    resource = change.resource
    assert (resource.api_version, resource.kind, resource.namespace, resource.name) == ("v1", "B", "n", "b")
    assert (change.old_value, change.new_value, change.setter) == ("o:1", "ghcr.io/acme/app:2.0.0", "team:app")


def test_an_empty_value_is_filled() -> None:
    assert edited('tag: # {"$imagepolicy": "team:app:tag"}\n').content == b'tag: 2.0.0 # {"$imagepolicy": "team:app:tag"}\n'
    assert edited('tag:# {"$imagepolicy": "team:app:tag"}\n').changes == ()


LEFT_ALONE = {
    "a Go template": ('{{ if .Values.x }}\nimage: o:1 # {"$imagepolicy": "team:app"}\n{{ end }}\n', "line"),
    "a template inside": ('image: {{ .Values.image }} # {"$imagepolicy": "team:app"}\n', "line"),
    "no JSON": ("image: o:1 # {\"$imagepolicy\": 'team:app'}\n", "line 1: the comment is not a JSON object"),
    "words behind": ('image: o:1 # {"$imagepolicy": "team:app"} bump me\n', "line 1: the comment is not a JSON object"),
    "no policy": ('image: o:1 # {"$imagepolicy": "app"}\n', "line 1: 'app' is not <namespace>:<policy>"),
    "no such part": ('image: o:1 # {"$imagepolicy": "team:app:sha"}\n', "line 1: 'team:app:sha' is not"),
    "a mapping": ('image: {a: b} # {"$imagepolicy": "team:app"}\n', "line 1: it stands at no scalar"),
    "an alias": ('a: &a x\nimage: *a # {"$imagepolicy": "team:app"}\n', "line 2: it stands at no scalar"),
    "a key": ('# {"$imagepolicy": "team:app"}\nimage: o:1\n', "line 1: it stands at no scalar"),
    "a long block": ('image: | # {"$imagepolicy": "team:app"}\n  a\n  b\n', "team:app: the value has several lines"),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_what_is_left_alone_is_told(name: str) -> None:
    text, why = LEFT_ALONE[name]
    found = edited(text)
    assert found.content == text.encode()
    assert len(found.left_alone) == 1
    assert found.left_alone[0].startswith(why)


def test_other_namespaces_policies_are_nobody_s_business() -> None:
    text = 'image: o:1 # {"$imagepolicy": "other:app"}\n'
    assert edited(text) == Edited(text.encode())


def test_a_value_that_would_break_the_file_is_not_written() -> None:
    text = 'image: o:1 # {"$imagepolicy": "team:app:tag"}\n'
    found = edited(text, ImageRef(name="x", tag="1\nroot: me"))
    assert found.content == text.encode()
    assert found.left_alone == ("team:app:tag: the policy's value holds a control character",)


def test_hostile_values_stay_values() -> None:
    rng = random.Random(7)
    signs = "ab1: #'\"\\{}[],&*!|>%@`-?~\t"
    for _ in range(500):
        tag = "".join(rng.choice(signs) for _ in range(rng.randint(0, 8)))
        for quote in ("", "'", '"'):
            found = edited(f'a: [{quote}old{quote}, # {{"$imagepolicy": "team:app:tag"}}\n  z]\n', ImageRef(name="x", tag=tag))
            if tag.isprintable():
                assert yaml.safe_load(found.content) == {"a": [tag, "z"]}


BOMB = "a: &a [x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in itertools.pairwise("abcdefghijklmnop"))
HOSTILE = {
    "aliases of aliases": (BOMB + 'image: o:1 # {"$imagepolicy": "team:app"}\n', ""),
    "the same key twice": ('image: o:1 # {"$imagepolicy": "team:app"}\n' * 2, ""),
    "a depth without end": ('image: o:1 # {"$imagepolicy": "team:app"}\na: ' + "[" * 100_000, "line 2: "),
    "a control character": (
        'image: o:1 # {"$imagepolicy": "team:app"}\n\0',
        "unacceptable character #x0000: control characters are not allowed",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_and_cost_nobody_else(name: str) -> None:
    text, why = HOSTILE[name]
    found = edited(text)
    assert len(found.left_alone) == bool(why)
    assert all(each.startswith(why) for each in found.left_alone)
    assert found.content.decode() == (text if why else text.replace("image: o:1 #", "image: ghcr.io/acme/app:2.0.0 #"))


def test_files_that_are_no_text_are_left_alone() -> None:
    content = b'\xff\xfea\x00 # {"$imagepolicy": "team:app"}'
    assert edit(content, IMAGES) == Edited(content, left_alone=("it is no UTF-8 text",))


LINES = [
    '- image: a:1 # {"$imagepolicy": "team:app"}\n',
    '# {"$imagepolicy": "team:app"}\n- a:1\n',
    '  x # {"$imagepolicy": "team:app"}\n',
    '# {"$imagepolicy": 1}\n',
]


@pytest.mark.parametrize("line", LINES)
def test_time_grows_with_the_file_and_not_faster(line: str) -> None:
    head = "a: |\n" if line.startswith("  ") else ""

    def seconds(lines: int) -> float:
        begun = time.process_time()
        edited(head + line * lines)
        return time.process_time() - begun

    seconds(100)
    assert seconds(8000) < 30 * max(seconds(1000), 0.01)
