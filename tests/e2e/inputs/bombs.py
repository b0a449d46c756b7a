"""What a hostile tenant can put into a source: each is small to write and large to work on."""

import gzip
import io
import tarfile
from pathlib import Path

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: '{value}'}}\n"
GENERATED = "configMapGenerator: [{name: a, literals: [a=b]}]\n"


def doubling_bases(levels: int = 24) -> dict[str, str]:
    """Each base is used twice by the next: 2^24 objects of 50 files."""
    files = {"l0/kustomization.yaml": GENERATED, "kustomization.yaml": f"resources: [l{levels - 1}]\n"}
    for level in range(1, levels):
        files[f"l{level}/kustomization.yaml"] = f"resources: [../l{level - 1}, ../p{level}]\n"
        files[f"p{level}/kustomization.yaml"] = f"namePrefix: p{level}-\nresources: [../l{level - 1}]\n"
    return files


def endless_chain(length: int = 5000) -> dict[str, str]:
    """Not quite a cycle, which is found at once: every base has the next one."""
    files = {f"d{n}/kustomization.yaml": f"resources: [../d{n - 1}]\nnamePrefix: x\n" for n in range(1, length)}
    return files | {"d0/kustomization.yaml": GENERATED, "kustomization.yaml": f"resources: [d{length - 1}]\n"}


def cycle() -> dict[str, str]:
    return {"kustomization.yaml": "resources: [a]\n", "a/kustomization.yaml": "resources: [../b]\n"} | {
        "b/kustomization.yaml": "resources: [../a]\n"
    }


def large_generators(count: int = 200, size: int = 30 << 20) -> dict[str, str]:
    """One file of 30 MiB in 200 ConfigMaps."""
    wanted = "".join(f"- {{name: g{n}, files: [big]}}\n" for n in range(count))
    return {"kustomization.yaml": f"configMapGenerator:\n{wanted}", "big": "x" * size}


def components(count: int = 10_000) -> dict[str, str]:
    listed = "".join(f"- c{n}\n" for n in range(count))
    head = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
    files = {f"c{n}/kustomization.yaml": f"{head}commonAnnotations: {{a{n}: b}}\n" for n in range(count)}
    files["kustomization.yaml"] = f"resources: [a.yaml]\ncomponents:\n{listed}"
    return files | {"a.yaml": CONFIG_MAP.format(name="a", value=1)}


def yaml_aliases(levels: int = 10) -> dict[str, str]:
    """The billion laughs."""
    lines = ["apiVersion: v1", "kind: ConfigMap", "metadata: {name: a}", "l0: &l0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"l{n}: &l{n} [{','.join([f'*l{n - 1}'] * 10)}]" for n in range(1, levels)]
    return {"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": "\n".join(lines)}


def many_objects(count: int = 500, size: int = 100_000) -> dict[str, str]:
    """50 MB of objects."""
    return {f"f{n}.yaml": CONFIG_MAP.format(name=f"c{n}", value="x" * size) for n in range(count)}


def endless_substitution(names: int = 2000) -> dict[str, str]:
    """For a variable `a` of a megabyte: two gigabytes."""
    return {"a.yaml": CONFIG_MAP.format(name="a", value="${a//x/${a}}" + "${a}" * names)}


def expanding_archive(files: int = 3, block: int = 64 << 20, blocks: int = 14) -> bytes:
    """2.6 GiB of zeros in a few megabytes: gzip members may be put side by side, so one is made and repeated."""
    zeros = gzip.compress(bytes(block), 9)
    out = io.BytesIO()
    for number in range(files):
        info = tarfile.TarInfo(f"f{number}")
        info.size = block * blocks
        out.write(gzip.compress(info.tobuf()) + zeros * blocks)
    return out.getvalue() + gzip.compress(bytes(1024))


def many_files_import(count: int = 100_000) -> bytes:
    """For `git fast-import`: one commit of so many files."""
    head = b"blob\nmark :1\ndata 2\nx\n\ncommit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 4\nmany\n"
    return head + b"".join(b"M 644 :1 d%d/f%d.txt\n" % (n // 1000, n) for n in range(count)) + b"\n"


def large_file_import(into: Path, size: int) -> Path:
    """For `git fast-import`: one file of `size` zeros on main, and three times on the branch `thrice`; in a sparse file."""
    author = b"committer A <a@example.com> 1700000000 +0000\ndata 4\nhuge\n"
    with into.open("wb") as out:
        out.write(b"blob\nmark :1\ndata %d\n" % size)
        out.seek(size, io.SEEK_CUR)
        out.write(b"\ncommit refs/heads/main\n" + author + b"M 644 :1 huge.bin\n\n")
        out.write(b"commit refs/heads/thrice\n" + author + b"".join(b"M 644 :1 huge-%d.bin\n" % n for n in range(3)) + b"\n")
    return into
