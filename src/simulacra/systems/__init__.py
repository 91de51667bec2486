"""One file a paper. Adding a system is adding its file here: ``names`` lists the folder, nothing registers."""

from simulacra.systems.find import SystemModule, names, system

__all__ = ["SystemModule", "names", "system"]
