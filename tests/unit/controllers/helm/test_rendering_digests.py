"""The digests of post-renderers and common metadata, bit for bit as Flux has them: helm-notification-image.md 2.4."""

import hashlib

from fleetloop.controllers.helm.loop import rendering_digests
from tests.unit.controllers.helm.releases import release


def test_go_encoded_in_the_order_of_its_types() -> None:
    """Wherever the fields stood in the object; signs of HTML escaped, maps sorted, a newline at the end."""
    patch = {"target": {"name": "web", "labelSelector": "a<b", "kind": "Deployment", "group": "apps"}, "patch": "x & y\u2028"}
    image = {"digest": "sha256:1", "newTag": "2", "newName": "n", "name": "web"}
    steps = [{"kustomize": {"images": [image], "patches": [patch]}}]
    common = {"labels": {"b": "1", "a": "2"}, "annotations": {"c": "3"}}
    renderers = (
        r'[{"kustomize":{"patches":[{"patch":"x \u0026 y\u2028","target":{"group":"apps","kind":"Deployment","name":"web",'
        r'"labelSelector":"a\u003cb"}}],"images":[{"name":"web","newName":"n","newTag":"2","digest":"sha256:1"}]}}]'
    )
    metadata = '{"annotations":{"c":"3"},"labels":{"a":"2","b":"1"}}'
    expected = tuple(f"sha512:{hashlib.sha512(f'{text}{chr(10)}'.encode()).hexdigest()}" for text in (renderers, metadata))
    assert rendering_digests(release(postRenderers=steps, commonMetadata=common), "sha512") == expected


def test_nothing_has_no_digest() -> None:
    assert rendering_digests(release(), "sha256") == ("", "")
