"""`python -m audiosearch` is the command `audiosearch`."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # from a checkout nothing else would say so
    sys.exit(
        "audiosearch needs Python 3.11 or later; this is Python {}.{}.{} ({})".format(
            *sys.version_info[:3], sys.executable
        )
    )

from audiosearch.cli.main import main

if __name__ == "__main__":
    main()
