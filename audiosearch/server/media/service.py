"""What all requests for sound share: decoding processes, threads, and the cache of pictures."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from audiosearch.audio.sandbox.client import WorkerLimits
from audiosearch.config import Config
from audiosearch.library.views import SoundViews
from audiosearch.server.media.decoder_pool import DecoderPool
from audiosearch.store.file_cache import FileCache

N_LISTENING: Final = 2  # pieces of sound decoded at once; each is a few milliseconds of work
N_LOOKING: Final = 2  # pictures made at once; those of hours of sound take seconds
N_READING: Final = 4  # pieces of files read at once
N_EXPORTING: Final = 2

VIEWS_FOLDER: Final = "views"  # beside the database


class MediaService:
    """Made when the server starts; `close` ends its processes and threads."""

    def __init__(self, config: Config) -> None:
        self.pool = DecoderPool(WorkerLimits.of(config.index), size=N_LISTENING + N_LOOKING)
        cache = FileCache(config.database.parent / VIEWS_FOLDER)
        self.views = SoundViews(cache, self.pool.borrowed)
        self.listening = ThreadPoolExecutor(N_LISTENING, thread_name_prefix="listening")
        self.looking = ThreadPoolExecutor(N_LOOKING, thread_name_prefix="looking")
        self.reading = ThreadPoolExecutor(N_READING, thread_name_prefix="reading")
        self.exporting = ThreadPoolExecutor(N_EXPORTING, thread_name_prefix="exporting")

    def close(self) -> None:
        """End what is there; what is being made is not waited for."""
        self.pool.close()
        for threads in (self.listening, self.looking, self.reading, self.exporting):
            threads.shutdown(wait=False, cancel_futures=True)
