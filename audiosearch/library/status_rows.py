"""How a library stands, in JSON: the rows that commands print and that the server sends."""

from __future__ import annotations

from audiosearch.errors import path_fields
from audiosearch.library.library import Status
from audiosearch.model.bundle import Bundle
from audiosearch.store.queries.failed import FailedFile, RemarkedFile
from audiosearch.store.queries.roots import RootSummary
from audiosearch.store.queries.status import LibraryStatus

Row = dict[str, object]

FAILED_REMEDIES = {
    "empty": "the file has no content: copy it again",
    "unreadable": "check its permissions, then audiosearch failed --retry",
    "unsupported": "no sound file, or of a kind that FFmpeg cannot read",
    "no-audio": "it holds no sound",
    "no-samples": "its header promises sound, but there is none: copy it again",
    "damaged": "it breaks off or is damaged: copy it again",
    "changed": "it was being written to: it is taken in at the next index",
    "timeout": "decoding it did not come to an end (index.worker_stall_s)",
    "memory": "decoding it took too much memory (index.worker_memory_mb)",
    "encoding": "the model cannot take it: its samples are not those of a sound",
    "crashed": "it crashes the decoder: convert it to another format",
    "program": "an error of audiosearch or of a library it uses, not of the file: update them,"
    " then audiosearch failed --retry",
}
_REMARK_REMEDY = "what is there was heard; if more is expected, copy it again"


def status_row(told: Status) -> Row:
    """A library and what its model runs on."""
    return {
        "database": told.database,
        "database_bytes": told.database_bytes,
        "model": {
            "name": told.model_name,
            "version": told.model_version,
            "provider": told.provider,
        },
        **counts_row(told.counts),
    }


def counts_row(counts: LibraryStatus) -> Row:
    """What a library holds, in numbers."""
    return {
        "roots": counts.n_roots,
        "files": {str(state): n for state, n in counts.files.items()},
        "failures": dict(counts.failures),
        "recordings": counts.n_recordings,
        "hours": counts.hours,
        "captions": counts.n_captions,
        "bundles": [
            {
                "name": bundle.name,
                "version": bundle.version,
                "fingerprint": bundle.fingerprint,
                "recordings": bundle.n_recordings,
                "windows": bundle.n_windows,
                "silent": bundle.n_silent,
                "captioned": bundle.n_captioned,
            }
            for bundle in counts.bundles
        ],
    }


def failed_row(file: FailedFile) -> Row:
    """A file that could not be read, why, and what helps."""
    return {
        **path_fields(file.full_path),
        "code": file.error_code,
        "reason": file.error_text,
        "remedy": FAILED_REMEDIES.get(file.error_code),
    }


def remarked_row(file: RemarkedFile) -> Row:
    """A file that was heard, of whose sound there is something to be said."""
    return {
        **path_fields(file.full_path),
        "code": "remark",
        "reason": file.remark,
        "remedy": _REMARK_REMEDY,
    }


def root_row(summary: RootSummary) -> Row:
    """A folder of the library."""
    return {
        **path_fields(summary.root.path),
        "files": summary.n_files,
        "missing": summary.n_missing,
    }


def model_row(bundle: Bundle) -> Row:
    """What a model is."""
    return {
        "name": bundle.name,
        "version": bundle.version,
        "licence": bundle.licence,
        "description": bundle.description,
        "path": str(bundle.path),
        "bytes": bundle.size,
        "fingerprint": bundle.fingerprint,
        "sample_rate": bundle.sample_rate,
        "window_s": bundle.window_s,
        "frame_dim": bundle.frame_dim,
        "embedding_dim": bundle.embedding_dim,
        "joint_dim": bundle.joint_dim,
        "words": 0 if bundle.decoder is None else len(bundle.vocabulary),
        "tags": len(bundle.tags),
        "tasks": ", ".join(bundle.vocabulary.tasks) or None,
        "min_score": bundle.score.min_score,
        "parts": [
            {"name": part.bundle.path.name, "joint": part.joint, "captions": part.captions}
            for part in bundle.parts
        ],
    }
