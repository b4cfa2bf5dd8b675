"""Questions to the search engine and its answers, as frozen values.

Times are in seconds within a recording, cross-entropies and lifts in nats a word (lower
cross-entropy and higher lift are better), scores and similarities better when higher. What only
shows results imports this, so nothing that computes is loaded here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from audiosearch.audio.clip import ClipRange
from audiosearch.search.filters import ClockFilter, Filters

if TYPE_CHECKING:
    from audiosearch._typing import Floats
    from audiosearch.model.encoder import Encoded

# Of a sound against words. Of mixtures the right one comes first most often between .5 and .7
# (`benchmarks.composed_pairs`).
LIKE_WEIGHT = 0.6


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word of a sentence, and how much likelier the sound makes it.

    Attributes:
        lift: nats; above 0 the sound supports the word where it stands. None for a word that the
            model never learned.
        read_as: the known word that was read in its place; None where it is known itself.
    """

    text: str
    lift: float | None
    read_as: str | None = None


@dataclass(frozen=True, kw_only=True)
class FieldMatch:
    """A text that holds words of the query.

    Attributes:
        field: `name`, `folder`, `tag`, `caption` (a person's), or a field of the metadata.
        words: of the query, as they were typed, in small letters.
    """

    field: str
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MomentOptions:
    """Every moment is asked for, not the best stretch of each recording.

    Attributes:
        by_time: in the order of time instead of that of the score.
        per_file: most moments of one recording, the best of them; None: all.
    """

    by_time: bool = False
    per_file: int | None = None


@dataclass(frozen=True, kw_only=True)
class TextQuery:
    """Find sounds by words.

    Attributes:
        text: what a person typed.
        filters: which recordings may answer.
        limit: most hits; None = the setting.
        min_score: hits below are left out; None = the setting, or the bundle's own advice.
        exhaustive: rerank every window instead of the best candidates (slow).
        explain: tell how much each word counted for each hit.
        sort: one of `order.SORT_KEYS`; None = the best first. It does not choose the hits.
        reverse: the other way round.
        moments: every stretch in which the words are heard; None: the best of each recording.
        recorded: when by the clock; None: at any time, and where no clock is known.
        without: what must not be heard, beside what the text itself excludes.
        like: sounds that an answer must be like too.
        like_weight: how much likeness counts against the words, 0 to 1.
    """

    text: str
    filters: Filters = field(default_factory=Filters)
    limit: int | None = None
    min_score: float | None = None
    exhaustive: bool = False
    explain: bool = False
    sort: str | None = None
    reverse: bool = False
    moments: MomentOptions | None = None
    recorded: ClockFilter | None = None
    without: tuple[str, ...] = ()
    like: tuple[ClipRange, ...] = ()
    like_weight: float = LIKE_WEIGHT


@dataclass(frozen=True, kw_only=True)
class RecordingPart:
    """A part of a recording of the library; `end_s` None is its end."""

    recording_id: int
    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class SoundQuery:
    """Find sounds by sound.

    Attributes:
        embeddings: (n, E) of the windows of the sound that are not silent.
        others: the same of more sounds; what counts is the mean of the likeness to each.
        left_out: the sounds themselves, where they are in the library and not to be shown.
        min_similarity: hits below are left out; None = none are.
        sort, reverse: as of `TextQuery`.
    """

    embeddings: Floats
    others: tuple[Floats, ...] = ()
    left_out: tuple[RecordingPart, ...] = ()
    filters: Filters = field(default_factory=Filters)
    limit: int | None = None
    min_similarity: float | None = None
    sort: str | None = None
    reverse: bool = False


@dataclass(frozen=True, kw_only=True)
class ExcludedFit:
    """What must not be heard, and the score that it has all the same, 0 to 1."""

    text: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Hit:
    """The best window of one recording.

    Attributes:
        rank: 1 is best.
        path: absolute, as the system has it; the first by its bytes of the recording's files.
        score: 0 to 1; 1 where a person captioned the sound with these words.
        matched: the texts that hold words of the query: of the file whose path is shown, and a
            person's caption.
        caption: what a person says of the window, where that holds words of the query; else what
            the model says. None where nobody was asked.
        words: of the query, where they were asked for.
        n_alike: recordings that are near-duplicates of this one and not shown.
        also: absolute paths of the other files of this recording, and of all of those.
        modified_s: when the file was changed last, in Unix seconds.
        loudness_lufs: of the recording; None where it has none.
        similarity: cosine to the sound asked for; None for queries by words alone.
        clock_start: when the stretch begins by the clock, in ISO 8601 with an offset only where
            one is known; None where no clock is known, or none was asked for.
        excluded: what must not be heard, and how well it fits the stretch all the same.
        weak: it matches less well than a good hit must.
    """

    rank: int
    path: bytes
    start_s: float
    end_s: float
    duration_s: float
    recording_id: int
    window_id: int
    score: float | None = None
    cross_entropy: float | None = None
    lift: float | None = None
    caption: str | None = None
    similarity: float | None = None
    matched: tuple[FieldMatch, ...] = ()
    words: tuple[Word, ...] | None = None
    n_alike: int = 0
    also: tuple[bytes, ...] = ()
    modified_s: float | None = None
    loudness_lufs: float | None = None
    clock_start: str | None = None
    excluded: tuple[ExcludedFit, ...] = ()
    weak: bool = False


@dataclass(frozen=True, kw_only=True)
class FindResult:
    """The answer to a query by words or by sound.

    Attributes:
        hits: best first, or as the query has them sorted.
        weaker: a few that come next and are no good match, best first; none where the least score
            was chosen by a person.
        unknown_words: words of the query that the model never learned.
        read_as: words that the decoder never learned -> the words that it read in their place.
        corrected: words that nothing knows -> the nearest known ones, which were searched for.
        language: the language that the query was read in, by its code (`de`); `und` where none of
            its words is known in any; None for English.
        translated: what it was read as in English; None where it was not translated.
        n_left_out: words at the end of the query that were not used, since the model takes so many
            at most.
        weak: the model knows no word of the query; hits matched by what is written only.
        exhaustive: every window that may answer was scored, not only candidates.
        n_windows: windows of the library, before filters.
        n_candidates: windows that were scored.
        n_below_min_score: recordings left out since they match too weakly.
        n_more: recordings that match well enough and are not shown, nor alike to one that is; there
            may be more where not every window was scored.
        n_more_is_least: there may be more of these all the same.
        n_unknown: recordings left out since what a filter asks is not known of them, by what it is.
        unknown_tags: where there are no hits, tags that a filter asks for and that no sound has.
        n_with_unknown: recordings of which all the unknown words are written, where no hit is one.
        unheard: where there are no hits, some files that have all the words but no sound that could
            be found: silent, not heard yet, or not readable.
        excluded: what must not be heard, as it was understood.
        only_excluded: nothing but that was asked for.
        moments: the hits are moments, several of a recording.
        only_itself: all that could answer is the very sound that was asked about.
        n_excluded: recordings, or moments, left out since it is heard in them.
        n_unheard: windows that were not listened to, since others are likelier.
        n_without_clock: recordings left out since no clock is known.
        timings: seconds by stage, in their order.
    """

    hits: tuple[Hit, ...]
    weaker: tuple[Hit, ...] = ()
    unknown_words: tuple[str, ...] = ()
    read_as: Mapping[str, str] = field(default_factory=dict)
    corrected: Mapping[str, str] = field(default_factory=dict)
    language: str | None = None
    translated: str | None = None
    n_left_out: int = 0
    weak: bool = False
    exhaustive: bool
    n_windows: int
    n_candidates: int
    n_below_min_score: int = 0
    n_more: int = 0
    n_more_is_least: bool = False
    n_unknown: Mapping[str, int] = field(default_factory=dict)
    unknown_tags: tuple[str, ...] = ()
    n_with_unknown: int = 0
    unheard: tuple[bytes, ...] = ()
    excluded: tuple[str, ...] = ()
    only_excluded: bool = False
    moments: bool = False
    only_itself: bool = False
    n_excluded: int = 0
    n_unheard: int = 0
    n_without_clock: int = 0
    timings: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class EncodedWindow:
    """A window of a sound to be described; `encoded` is None where it is silent."""

    start_s: float
    end_s: float
    encoded: Encoded | None


@dataclass(frozen=True, kw_only=True)
class CaptionFit:
    """A caption and how well it fits a window.

    Attributes:
        rank: 0 is the model's own sentence, stored captions count from 1.
        scaled: place of the cross-entropy between the caption's least and greatest over the
            library; None where that has no meaning.
        source: `model`, or who wrote a stored caption: auto, user, import.
        words: of the caption, where they were asked for.
    """

    rank: int
    text: str
    score: float
    cross_entropy: float
    lift: float
    scaled: float | None
    source: str
    words: tuple[Word, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Description:
    """What is heard in a window: the model's sentence, then stored captions, best first.

    A silent window has none.

    Attributes:
        meaning: the same number for windows whose own sentences mean much the same, in one answer;
            None of silence, and where the model cannot compare texts.
    """

    start_s: float
    end_s: float
    captions: tuple[CaptionFit, ...]
    meaning: int | None = None


@dataclass(frozen=True, kw_only=True)
class LabelFit:
    """A label and how well it fits a sound, where it fits best.

    Attributes:
        rank: from 1.
        start_s, end_s: the window in which it fits best.
        scaled: as of a caption, over the label's sentences.
    """

    rank: int
    label: str
    start_s: float
    end_s: float
    score: float
    cross_entropy: float
    scaled: float | None


def fold_runs(descriptions: Iterable[Description], *, limit: int) -> Iterator[Description]:
    """A timeline: windows in a row that the model says the same of become one stretch.

    The stretch has the stored captions of all its windows, each once, where it fits best; windows
    of silence in a row become one too.
    """
    run: list[Description] = []
    for each in descriptions:
        if run and _own_text(run[-1]) != _own_text(each):
            yield _folded(run, limit=limit)
            run = []
        run.append(each)
    if run:
        yield _folded(run, limit=limit)


def _own_text(description: Description) -> str | None:
    own = [fit.text for fit in description.captions if fit.rank == 0]
    return own[0] if own else None


def _folded(run: Sequence[Description], *, limit: int) -> Description:
    if len(run) == 1:
        return run[0]
    fits = [fit for each in run for fit in each.captions]
    own = min((f for f in fits if f.rank == 0), key=lambda f: f.cross_entropy, default=None)
    best: dict[str, CaptionFit] = {}
    # By rank first: what ranks captions of one window is comparable in no simpler way.
    for fit in sorted((f for f in fits if f.rank), key=lambda f: (f.rank, -f.score)):
        best.setdefault(fit.text, fit)
    stored = list(best.values())[:limit]
    ranked = [replace(fit, rank=rank) for rank, fit in enumerate(stored, start=1)]
    return Description(
        start_s=run[0].start_s,
        end_s=run[-1].end_s,
        captions=(*([] if own is None else [own]), *ranked),
    )
