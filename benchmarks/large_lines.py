"""What a generated library takes, for `benchmarks.against`: programs for either checkout."""

from __future__ import annotations

# Questions to it in this process, or `make`: seconds of the processor, median and 95th percentile.
# `find` asks for words that were asked for before; `find-new` has what is kept of them forgotten.
LARGE = """
import json, sys, time
from pathlib import Path
import audiosearch.cli.main  # which says with how many threads numpy multiplies
import numpy as np
from audiosearch.config import Config, ModelConfig
from audiosearch.library import open_library
from audiosearch.search.results import SoundQuery, TextQuery
from benchmarks.generated_library import sentences
from benchmarks.search_speed import _make
place, bundle, windows, what = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
config = Config(
    data_dir=place, config_file=place / "none", model=ModelConfig(bundle=bundle, device="cpu")
)
texts = [text for text in sentences(480, seed=9) if " " in text][::40]
if what == "make":
    _make(config, windows, [*texts, "a dog barks after a man speaks"])  # which `room` asks
with open_library(config) as library:
    dice = np.random.default_rng(1)
    dim = library.answering.bundle.embedding_dim
    sounds = [dice.standard_normal((3, dim)).astype(np.float32) for _ in range(8)]
    def ask(number):
        if what == "similar":
            library.engine.similar(SoundQuery(embeddings=sounds[number % len(sounds)]))
        else:
            library.engine.find(TextQuery(text=texts[number % len(texts)]))
    def forget():
        for reader in getattr(library.database, "_readers", ()):
            for scores in reader.driver.derived.get("word_scores", (None, {}))[1].values():
                scores._kept.clear()
                scores._n_kept = 0
    n_rounds, took = 0 if what == "make" else 4, []
    for number in range(n_rounds * len(texts)):
        if what == "find-new":
            forget()
        began = time.process_time()
        ask(number)
        took.append(time.process_time() - began)
    counted = took[len(texts):] or [0.0]
print(json.dumps([float(np.percentile(counted, share)) for share in (50, 95)]))
"""

# The 95th percentile of seconds of a question to the daemon of a generated library, which is
# there, while `index` takes in sounds that are new to it. Both checkouts have the parts used here.
BUSY = """
import json, os, sys, tempfile, time
from pathlib import Path
import numpy as np
from audiosearch.config import Config, ModelConfig
from benchmarks import child, search_speed
from benchmarks.generated_library import sentences
place, bundle, n_sounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def environment(data_dir):
    own = {"AUDIOSEARCH_DATA_DIR": str(data_dir), "XDG_CONFIG_HOME": str(data_dir / "no-config")}
    return dict(os.environ, **own)
child.environment = search_speed.environment = environment
noise, first = search_speed.noise, time.time_ns() % 2**31
def new_noise(**given):
    return noise(**{**given, "seed": first + given["seed"]})
search_speed.noise = new_noise
found = []
def show(times, name, **_):
    found.append((float(np.percentile(times.wall_s, 95)), len(times.wall_s)))
search_speed.Times.show = show
config = Config(
    data_dir=place, config_file=place / "none", model=ModelConfig(bundle=bundle, device="cpu")
)
texts = [text for text in sentences(480, seed=9) if " " in text][::40]
with tempfile.TemporaryDirectory() as folder:
    search_speed._while_indexing(config, texts, Path(folder) / "sounds", n_sounds)
(p95_s, n_questions), = found
assert n_questions >= 10, "too few questions while it ran"
print(json.dumps(p95_s))
"""
N_SOUNDS = 60  # of 20 s each
