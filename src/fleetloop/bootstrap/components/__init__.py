"""The manifests of what is installed: pure functions from options to objects and to the text of gotk-components.yaml."""

from .generate import documents, generate
from .options import InstallOptions

__all__ = ["InstallOptions", "documents", "generate"]
