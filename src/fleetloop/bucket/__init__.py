"""Object stores (S3 and its kin, Google Cloud Storage, Azure Blob Storage): list a bucket, fetch it to a folder."""

from fleetloop.bucket.errors import BucketError, BucketNotFound, UnsafeKey
from fleetloop.bucket.fetch import Listing, Opened, download, list_objects, read_object, revision_of
from fleetloop.bucket.stores import AzureLogin, GoogleLogin, Place, S3Login, open_bucket

__all__ = [
    "AzureLogin",
    "BucketError",
    "BucketNotFound",
    "GoogleLogin",
    "Listing",
    "Opened",
    "Place",
    "S3Login",
    "UnsafeKey",
    "download",
    "list_objects",
    "open_bucket",
    "read_object",
    "revision_of",
]
