"""The packages of the extra ``serve``, looked for before anything else of this room is imported."""

from __future__ import annotations

import importlib.util
from typing import Final

PACKAGES: Final = ("fastapi", "prometheus_client", "pyarrow", "uvicorn")

if lacking := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
    raise ImportError(f"a service needs {', '.join(lacking)}, which is not installed: pip install 'simulacra[serve]'")
