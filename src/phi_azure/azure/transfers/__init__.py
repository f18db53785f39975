"""Bytes to and from blob storage: in blocks, several at once; cut, they are taken up again; checked; never half."""

from phi_azure.azure.transfers.downloads import STAGING, Source, download_blobs
from phi_azure.azure.transfers.uploads import upload_files
from phi_azure.azure.transfers.wire import Container, Settings, Signature

__all__ = ["STAGING", "Container", "Settings", "Signature", "Source", "download_blobs", "upload_files"]
