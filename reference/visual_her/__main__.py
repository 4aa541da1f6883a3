"""``python -m visual_her`` and the console script ``visual-her``."""

import sys


def main() -> int:
    """Runs the command line with ``sys.argv``; returns the exit code."""
    from visual_her.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
