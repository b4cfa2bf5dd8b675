"""The Python API: what `import audiosearch` gives.

Everything public is named in `audiosearch.__all__`; what stands elsewhere in the package may change
with any release. Values of the engine that hold no paths are given out as they are, others in the
forms of `results`.
"""

from audiosearch.api.library import SoundLibrary, open  # noqa: A004  # as gzip.open
from audiosearch.api.model import SoundModel, load_model
from audiosearch.api.organising import DuplicateSet, RestoreSummary, SoundAnnotation
from audiosearch.api.results import IndexSummary, LibraryWindow, SearchHit, SearchHits
from audiosearch.model.encoder import Encoded
from audiosearch.search.filters import Filters
from audiosearch.search.results import (
    CaptionFit,
    Description,
    ExcludedFit,
    FieldMatch,
    LabelFit,
    Word,
)
from audiosearch.search.results import EncodedWindow as EncodedWindow

__all__ = [
    "CaptionFit",
    "Description",
    "DuplicateSet",
    "Encoded",
    "EncodedWindow",
    "ExcludedFit",
    "FieldMatch",
    "Filters",
    "IndexSummary",
    "LabelFit",
    "LibraryWindow",
    "RestoreSummary",
    "SearchHit",
    "SearchHits",
    "SoundAnnotation",
    "SoundLibrary",
    "SoundModel",
    "Word",
    "load_model",
    "open",
]
