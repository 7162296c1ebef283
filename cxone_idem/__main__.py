"""`python -m cxone_idem`, and the `cxone-idem` command."""

from __future__ import annotations

import sys

_EXTRA = frozenset({"click", "rich"})


def main() -> None:
    """Run the command line; say what to install where its extra is missing."""
    try:
        from cxone_idem.cli.app import cli  # noqa: PLC0415 -- what it imports may be missing
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        sys.exit(
            f"the command line needs {missing}: pip install 'cxone_idem-….whl[cli]' of your wheel,"
            " or in a copy of the repository pip install '.[cli]'"
        )
    cli(prog_name="cxone-idem")


if __name__ == "__main__":
    main()
