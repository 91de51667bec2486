"""An object store that speaks S3, by moto, on a free port of this machine."""

import contextlib
import gc
import urllib.request
import warnings
from collections.abc import Iterator

import fsspec
import pytest
import s3fs


@contextlib.contextmanager
def s3_server() -> Iterator[None]:
    """Run a server with the bucket ``events``; the environment names it, also for other processes."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem.clear_instance_cache()
        try:
            # what another server of this process left
            urllib.request.urlopen(
                urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")
            ).close()
            fsspec.filesystem("s3").mkdir("events")
            yield
        finally:
            s3fs.S3FileSystem.clear_instance_cache()
            with warnings.catch_warnings():
                # s3fs leaves the closing of its connections to the collector
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()
            server.stop()


def objects_below(address: str) -> dict[str, bytes]:
    """Return the content of all objects."""
    files = fsspec.filesystem("s3", use_listings_cache=False)
    root = address.removeprefix("s3://")
    # While another process writes, s3fs may find nothing below a folder, and then take the folder for an object.
    found = [name for name in files.find(root) if name.startswith(root + "/")]
    return {name.removeprefix(root + "/"): files.cat_file(name) for name in found}
