"""Zarr stores of events, written chunk by chunk; a killed write resumes, and a partial store never looks whole."""

from simulacra.store.errors import StoreError, StoreExistsError
from simulacra.store.executors import Executor, ExecutorError, folder_for_tasks
from simulacra.store.partial import refuse_source
from simulacra.store.plan import Chunk
from simulacra.store.read import open_events
from simulacra.store.write import WriteSummary, write_events, write_store

__all__ = [
    "Chunk",
    "Executor",
    "ExecutorError",
    "StoreError",
    "StoreExistsError",
    "WriteSummary",
    "folder_for_tasks",
    "open_events",
    "refuse_source",
    "write_events",
    "write_store",
]
