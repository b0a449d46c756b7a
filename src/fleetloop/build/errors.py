"""What goes wrong with a build: its sources do not make objects."""


class BuildError(Exception):
    """The message is for users, in the contract's words; it holds no secret."""


class EncryptedSecret(BuildError):
    """A Secret is still encrypted by SOPS at the end of a build without decryption."""
