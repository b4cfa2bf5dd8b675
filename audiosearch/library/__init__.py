"""The library as a whole: where configuration, store, model, indexing and search meet.

`open_library(config)` gives a `Library`; the commands, evaluation and other programs talk to that.
`answers` has its questions, `library` the rest; the other files are parts of those two.
"""

from audiosearch.library.library import Library, Status, open_library
from audiosearch.library.lookup import FileInfo, Listing
from audiosearch.library.model_selection import bundle_paths, find_model, remember_model

__all__ = [
    "FileInfo",
    "Library",
    "Listing",
    "Status",
    "bundle_paths",
    "find_model",
    "open_library",
    "remember_model",
]
