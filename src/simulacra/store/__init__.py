"""Zarr stores of events that are written chunk by chunk, resume after a kill and never look whole when they are not."""

from simulacra.store.errors import StoreError, StoreExistsError
from simulacra.store.plan import Chunk
from simulacra.store.read import open_events
from simulacra.store.write import WriteSummary, write_events, write_store

__all__ = ["Chunk", "StoreError", "StoreExistsError", "WriteSummary", "open_events", "write_events", "write_store"]
