"""The stages of a training run that concern the meaning of words.

In: a `Run` whose encoder is trained, and for bridges its decoder. Out: files in the run's folder:
`words.pt`, `joint.pt`, `bridges.json`. A finished one is not made again.
"""

from __future__ import annotations

from pathlib import Path

from audiosearch.model.text import SPECIAL_TOKENS
from audiosearch.training.bridges import STARTER_BRIDGES, build_bridges, write_bridges
from audiosearch.training.captions import every_phrase
from audiosearch.training.checkpoints import Progress, Report, load_state
from audiosearch.training.distil import (
    STARTER_DISTIL,
    distil,
    english_pieces,
    load_sentences,
    teach,
)
from audiosearch.training.distil_texts import (
    EVERYDAY_WORDS,
    made_captions,
    paraphrase_texts,
    study_texts,
)
from audiosearch.training.paraphrases import every_paraphrase
from audiosearch.training.run import Run, load_encoder, split_scenes
from audiosearch.training.scene_tags import scene_logits
from audiosearch.training.stopwords import STOP_WORDS
from audiosearch.training.teacher import open_teacher, teacher_folder, teacher_words
from audiosearch.training.train_joint import STARTER_JOINT, JointTrainer, TaggedScenes
from audiosearch.training.vocabulary import collect_words


def learn_words(run: Run, *, report: Report) -> Path:
    """Stage 3: the small sentence model, taught by the large one. It needs no sound."""
    finished = run.folder / "words.pt"
    if finished.exists():
        return finished
    folder = teacher_folder()
    words = teacher_words(folder)
    phrases = [*every_phrase(), *every_paraphrase()]
    sound_words = collect_words(phrases)[len(SPECIAL_TOKENS) :]
    pieces = english_pieces(words, (*sound_words, *EVERYDAY_WORDS))
    whole = [word for word in pieces.pieces if word.isalpha()]
    contents = [word for word in (*sound_words, *EVERYDAY_WORDS) if word not in STOP_WORDS]
    captions = made_captions(count=run.study_texts // 5, seed=run.seed)
    made = study_texts(whole, contents, count=run.study_texts, seed=run.seed)
    typed = paraphrase_texts(every_paraphrase(), whole, count=run.study_texts // 4, seed=run.seed)
    texts = list(dict.fromkeys((*whole, *phrases, *captions, *made, *typed)))
    vectors = teach(texts, open_teacher(folder), folder=run.folder / "teacher", report=report)
    return distil(
        texts,
        vectors,
        pieces,
        recipe=STARTER_DISTIL,
        seed=run.seed,
        path=finished,
        report=report,
    )


def train_joint(run: Run, *, report: Report) -> Path:
    """Stage 4: audio head and text tower, on frames, tags and the small sentence model."""
    finished = run.folder / "joint.pt"
    if finished.exists():
        return finished
    encoder = load_encoder(run)
    training, validation = (
        TaggedScenes(split.captioned.descriptions, scene_logits(encoder, split.features))
        for split in split_scenes(run, report=report)
    )
    trainer = JointTrainer(
        training,
        validation,
        load_sentences(run.folder / "words.pt"),
        recipe=STARTER_JOINT,
        seed=run.seed,
        folder=run.folder,
    )
    return trainer.run(report=report)


def bridge_words(run: Run, *, report: Report) -> Path:
    """Stage 5: what the decoder reads in place of words that it never learned."""
    words = load_state(run.folder / "decoder.pt")["words"]
    sentences = load_sentences(run.folder / "words.pt")
    bridges = build_bridges(sentences, words, every_phrase(), recipe=STARTER_BRIDGES)
    path = write_bridges(bridges, run.folder / "bridges.json")
    report(Progress("bridges", 1, 1, f"{len(bridges)} words; wrote {path}"))
    return path
