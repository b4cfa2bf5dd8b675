"""The library as a whole: where configuration, store, model, indexing and search meet.

`open_library(config)` gives a `Library`; the commands, evaluation and other programs talk to that.
`answers` has its questions, `library` the rest; the other files are parts of those two.
"""

from typing import TYPE_CHECKING

__all__ = ["FileInfo", "Library", "Listing", "Status", "open_library"]

if TYPE_CHECKING:
    from audiosearch.library.library import Library, Status, open_library
    from audiosearch.library.lookup import FileInfo, Listing
else:

    def __getattr__(name):
        """One of the names, at its first use: who only asks imports no more than `answers`."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from audiosearch.library import library  # noqa: PLC0415

        return getattr(library, name)
