"""Write ``requirements.lock``: what pip's own resolver picks for the project with the extras ``dev`` and ``geant4``."""

import json
import platform
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = "dev,geant4"
HEADER = """\
# Every package that `make test` and `make demo` install, each at one version.
#
# Made by `make lock` ({python} on {system}): the resolution of the project with the extras {extras},
# held to constraints.txt, wheels only, as reported by `pip install --dry-run --ignore-installed --report`.
# Do not edit: change pyproject.toml or constraints.txt and run `make lock` again.
#
# No hashes and no local versions (such as +cpu), so that the same file serves PyPI's torch with CUDA (whose further
# packages pip adds by itself) and the CPU build: see "Which torch" in CONTRIBUTING.md.
"""


def resolve() -> dict[str, str]:
    """Return the version that pip would install of each package, by canonical name, without installing anything."""
    command = [sys.executable, "-m", "pip", "install", "-qq", "--dry-run", "--ignore-installed"]
    command += ["--only-binary", ":all:", "--constraint", "constraints.txt", "--report", "-", f".[{EXTRAS}]"]
    report = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    versions = {}
    for package in (item["metadata"] for item in report["install"]):
        name = re.sub(r"[-_.]+", "-", package["name"]).lower()
        versions[name] = package["version"].split("+")[0]
    del versions["simulacra"]
    cuda = sorted(name for name in versions if name.startswith(("nvidia-", "cuda-")) or name == "triton")
    if cuda:
        raise SystemExit(f"pip picked torch's CUDA build ({', '.join(cuda)}): see 'Which torch' in CONTRIBUTING.md")
    return versions


if __name__ == "__main__":
    versions = resolve()
    header = HEADER.format(
        python=f"Python {platform.python_version()}",
        system=f"{platform.system()} {platform.machine()}",
        extras=EXTRAS.replace(",", " and "),
    )
    lines = [f"{name}=={version}\n" for name, version in sorted(versions.items())]
    (ROOT / "requirements.lock").write_text(header + "".join(lines), encoding="utf-8")
    sys.stdout.write(f"requirements.lock: {len(lines)} packages\n")
