"""The stages of a training run that concern the meaning of words.

In: a `Run` whose encoder is trained, and for bridges its decoder. Out: files in the run's folder:
`words.pt`, `joint.pt`, `bridges.json`. A finished one is not made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audiosearch._typing import Floats
from audiosearch.model.tokenizer import SPECIAL_TOKENS
from audiosearch.training.checkpoints import Report, TrainingProgress, load_state, save_state
from audiosearch.training.distillation.named import name_stretches
from audiosearch.training.export.restored import sentences_of_bundle
from audiosearch.training.recipes.joint import STARTER_JOINT, JointTrainer, TaggedScenes
from audiosearch.training.recipes.sentences import STARTER_DISTIL, SentenceTrainer
from audiosearch.training.run import Run, load_encoder, open_sounds, split_scenes
from audiosearch.training.scenes.features import scene_logits
from audiosearch.training.text.bridges import STARTER_BRIDGES, build_bridges, write_bridges
from audiosearch.training.text.captions import every_phrase
from audiosearch.training.text.definitions import STARTER_DEFINITIONS, define
from audiosearch.training.text.dictionary import Dictionary
from audiosearch.training.text.distil_texts import (
    EVERYDAY_WORDS,
    made_captions,
    paraphrase_texts,
    study_texts,
)
from audiosearch.training.text.paraphrases import every_paraphrase, sound_meanings
from audiosearch.training.text.sentence_model import (
    english_pieces,
    load_sentences,
    sentence_state,
    teach,
)
from audiosearch.training.text.teacher import open_teacher, teacher_folder, teacher_words
from audiosearch.training.text.vocabulary import STOP_WORDS, collect_words


def learn_words(run: Run, *, report: Report) -> Path:
    """Stage 3: the small sentence model, taught by the large one. It needs no sound."""
    finished = run.folder / "words.pt"
    if finished.exists():
        return finished
    if run.start is not None:
        save_state(sentence_state(sentences_of_bundle(run.start)), finished)
        return finished
    folder = teacher_folder()
    words = teacher_words(folder)
    network = open_teacher(folder)

    def teacher(texts: Sequence[str]) -> Floats:
        return teach(texts, network, folder=run.folder / "teacher", report=report)

    phrases = [*every_phrase(), *every_paraphrase()]
    sound_words = collect_words(phrases)[len(SPECIAL_TOKENS) :]
    own = (*sound_words, *EVERYDAY_WORDS)
    pieces = english_pieces(words, own)
    whole = [word for word in pieces.pieces if word.isalpha()]
    contents = [word for word in own if word not in STOP_WORDS]
    captions = made_captions(count=run.study_texts // 5, seed=run.seed)
    made = study_texts(whole, contents, count=run.study_texts, seed=run.seed)
    typed = paraphrase_texts(every_paraphrase(), whole, count=run.study_texts // 4, seed=run.seed)
    texts = [*whole, *phrases, *captions, *made, *typed]
    definitions = None
    if run.dictionary is not None:
        dictionary = Dictionary(run.dictionary)
        definitions = define(
            [*collect_words(texts), *dictionary.words()],
            dictionary,
            teacher,
            sounds=sound_meanings(network),
            known={*words[: STARTER_DEFINITIONS.common], *collect_words(every_phrase())},
            recipe=STARTER_DEFINITIONS,
        )
        unlisted = [word for word in dictionary.words() if not pieces.holds(word)]
        rare = definitions.sounding(unlisted)
        pieces = english_pieces(words, (*own, *rare))
        company = paraphrase_texts(rare, whole, count=run.study_texts // 4, seed=run.seed + 1)
        texts += [*rare, *company]
    texts = list(dict.fromkeys(texts))
    vectors = teacher(texts)
    trainer = SentenceTrainer(
        texts,
        vectors if definitions is None else definitions.explained(texts, vectors),
        pieces,
        recipe=STARTER_DISTIL,
        seed=run.seed,
        folder=run.folder,
    )
    return trainer.run(report=report)


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
    stretches = None
    if run.pool is not None:
        tags = tuple(load_state(run.folder / "encoder.pt")["tags"])
        stretches = name_stretches(
            encoder, tags, run.pool, open_sounds(run), seed=run.seed, report=report
        )
    trainer = JointTrainer(
        training,
        validation,
        load_sentences(run.folder / "words.pt"),
        stretches=stretches,
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
    report(TrainingProgress("bridges", 1, 1, f"{len(bridges)} words; wrote {path}"))
    return path
