"""Which tests are given to one worker of `make test` together: those of a file, or of one parameter in long files."""

from __future__ import annotations

import re

from xdist.scheduler import LoadFileScheduling

#: what takes minutes as a whole, and whose parameters share little: a page, a notebook, a system
BY_PARAMETER = (
    "systems/test_contract.py",
    "systems/test_systems_export.py",
    "test_document_blocks.py",
    "test_notebooks.py",
)
#: the check before the kind of the system in "test_before_it_is_trained[check_that_it_works-calogan]"
CHECK = re.compile(r"^check_\w+-")


def work_unit(nodeid: str) -> str:
    """Return a name that a test shares with those that run on the same worker."""
    path, _, test = nodeid.partition("::")
    _, bracket, parameter = test.partition("[")
    if not bracket or not path.endswith(BY_PARAMETER):
        return path
    return f"{path}[{CHECK.sub('', parameter)}"


class SharedWork(LoadFileScheduling):
    """Gives work units to workers in their order."""

    def _split_scope(self, nodeid: str) -> str:
        return work_unit(nodeid)
