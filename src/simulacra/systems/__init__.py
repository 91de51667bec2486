"""One file per paper. To add a system, add its file here: ``names`` lists the folder, no list registers it.

Your own system is a file like these, in a folder named in the environment variable ``SIMULACRA_SYSTEMS``.

>>> import simulacra
>>> simulacra.systems.makes("calogan")
'events'
"""

from simulacra.systems.find import (
    add_folders,
    any_system,
    makes,
    names,
    reweighting_system,
    scoring_system,
    system,
    trained_system,
)

__all__ = [
    "any_system",
    "makes",
    "names",
    "reweighting_system",
    "scoring_system",
    "system",
    "trained_system",
]

__path__ = add_folders(__path__)
