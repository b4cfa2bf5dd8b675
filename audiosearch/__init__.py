"""A searchable library of sound on your own machine.

`open` and `load_model` are the door for Python (docs/python-api.md). What stands behind the names
is imported when one of them is first used: the commands import this package too, and start fast.
"""

from typing import TYPE_CHECKING

__version__ = "0.2.0"

__all__ = [
    "AudiosearchError",
    "BundleError",
    "CaptionFit",
    "ConfigError",
    "DecodeError",
    "Description",
    "DuplicateSet",
    "Encoded",
    "EncodedWindow",
    "ExcludedFit",
    "FeatureUnavailable",
    "FieldMatch",
    "Filters",
    "IndexSummary",
    "LabelFit",
    "LibraryCorrupt",
    "LibraryLocked",
    "LibraryWindow",
    "QueryError",
    "RestoreSummary",
    "SchemaTooNew",
    "SearchHit",
    "SearchHits",
    "SoundAnnotation",
    "SoundLibrary",
    "SoundModel",
    "StorageFull",
    "StoreError",
    "Word",
    "__version__",
    "load_model",
    "open",
]

if TYPE_CHECKING:
    from audiosearch.api import (
        CaptionFit,
        Description,
        DuplicateSet,
        Encoded,
        EncodedWindow,
        ExcludedFit,
        FieldMatch,
        Filters,
        IndexSummary,
        LabelFit,
        LibraryWindow,
        RestoreSummary,
        SearchHit,
        SearchHits,
        SoundAnnotation,
        SoundLibrary,
        SoundModel,
        Word,
        load_model,
        open,  # noqa: A004  # as gzip.open, wave.open
    )
    from audiosearch.errors import (
        AudiosearchError,
        BundleError,
        ConfigError,
        DecodeError,
        FeatureUnavailable,
        LibraryCorrupt,
        LibraryLocked,
        QueryError,
        SchemaTooNew,
        StorageFull,
        StoreError,
    )
else:

    def __getattr__(name):
        """A public name, at its first use; errors without what computes."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from audiosearch import errors  # noqa: PLC0415

        home = errors
        if not hasattr(errors, name):
            from audiosearch import api as home  # noqa: PLC0415
        value = globals()[name] = getattr(home, name)
        return value

    def __dir__():
        """The public names too, which are not there before they are used."""
        return sorted({*globals(), *__all__})
