"""``python -m simulacra`` is the command ``simulacra``."""

from simulacra.cli.main import run

if __name__ == "__main__":
    run()
