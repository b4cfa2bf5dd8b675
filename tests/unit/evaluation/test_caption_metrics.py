"""Caption metrics: plain implementations, the packages against them, and what is not there."""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
import sys
import threading
import types
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.evaluation.caption_metrics import COCO, WITH_MODELS, measure, word_use

CANDIDATES = ["a dog barks while rain falls", "a man is speaking", "birds chirp in the distance"]
REFERENCES = [
    ["a dog is barking in the rain", "a dog barks as rain falls down"],
    ["a man speaks", "someone is speaking to a crowd", "a man is speaking loudly"],
    ["birds are chirping", "some birds chirp in the distance as wind blows"],
]


def ngrams(sentence: str, n: int) -> Counter[tuple[str, ...]]:
    words = sentence.split()
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def plain_bleu(candidates: list[str], references: list[list[str]], n: int) -> float:
    """BLEU-n of a corpus (Papineni et al. 2002), the closest reference's length for brevity."""
    total, matched = [0] * n, [0] * n
    length = closest = 0
    for candidate, refs in zip(candidates, references, strict=True):
        size = len(candidate.split())
        length += size
        closest += min((len(r.split()) for r in refs), key=lambda x: (abs(x - size), x))
        for k in range(1, n + 1):
            mine = ngrams(candidate, k)
            best = Counter()
            for ref in refs:
                best |= ngrams(ref, k)
            total[k - 1] += sum(mine.values())
            matched[k - 1] += sum((mine & best).values())
    if not all(matched):
        return 0.0
    brevity = min(1.0, math.exp(1 - closest / length))
    return brevity * math.exp(sum(math.log(m / t) for m, t in zip(matched, total, strict=True)) / n)


def plain_rouge_l(candidates: list[str], references: list[list[str]], beta: float = 1.2) -> float:
    """ROUGE-L (Lin 2004): F of the longest common subsequence, best precision, best recall."""

    def lcs(a: list[str], b: list[str]) -> int:
        table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                table[i + 1][j + 1] = (
                    table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
                )
        return table[-1][-1]

    scores = []
    for candidate, refs in zip(candidates, references, strict=True):
        words = candidate.split()
        common = [(lcs(words, r.split()), len(r.split())) for r in refs]
        precision = max(c / len(words) for c, _ in common)
        recall = max(c / size for c, size in common)
        both = recall + beta**2 * precision
        scores.append((1 + beta**2) * precision * recall / both if both else 0.0)
    return sum(scores) / len(scores)


def plain_cider_d(candidates: list[str], references: list[list[str]], sigma: float = 6.0) -> float:
    """CIDEr-D (Vedantam et al. 2015), frequencies from the references, times ten."""
    seen: Counter[tuple[str, ...]] = Counter()
    for refs in references:
        seen.update({g for r in refs for n in range(1, 5) for g in ngrams(r, n)})
    log_n = math.log(len(references))

    def vector(sentence: str, n: int) -> dict[tuple[str, ...], float]:
        return {
            g: count * (log_n - math.log(max(1.0, seen[g])))
            for g, count in ngrams(sentence, n).items()
        }

    def norm(values: dict[tuple[str, ...], float]) -> float:
        return math.sqrt(sum(v * v for v in values.values()))

    scores = []
    for candidate, refs in zip(candidates, references, strict=True):
        total = 0.0
        for ref in refs:
            # As in the COCO code, lengths are counted in bigrams.
            gap = sum(ngrams(candidate, 2).values()) - sum(ngrams(ref, 2).values())
            for n in range(1, 5):
                a, b = vector(candidate, n), vector(ref, n)
                if norm(a) and norm(b):
                    dot = sum(min(v, b[g]) * b[g] for g, v in a.items() if g in b)
                    total += dot / norm(a) / norm(b) * math.exp(-(gap**2) / (2 * sigma**2))
        scores.append(10 * total / 4 / len(refs))
    return sum(scores) / len(scores)


def test_the_plain_implementations_by_hand():
    same = [["a b c d e"], ["f g h i j"]]
    assert plain_bleu(["a b c d e", "f g h i j"], same, 4) == pytest.approx(1)
    assert plain_rouge_l(["a b c d e", "f g h i j"], same) == pytest.approx(1)
    assert plain_cider_d(["a b c d e", "f g h i j"], same) == pytest.approx(10)
    # One of two words right, once: BLEU-1 = 1/2; common subsequence 1 of 2 and 1 of 2.
    assert plain_bleu(["a x"], [["a b"]], 1) == pytest.approx(0.5)
    assert plain_rouge_l(["a x"], [["a b"]]) == pytest.approx(0.5)


installed = pytest.mark.skipif(
    importlib.util.find_spec("pycocoevalcap") is None or shutil.which("java") is None,
    reason="pycocoevalcap (extra eval) or Java is not installed",
)


@installed
def test_the_package_equals_the_plain_implementations(capfd):
    values = {one.name: one.value for one in measure(CANDIDATES, REFERENCES)}
    for n in range(1, 5):
        assert values[f"bleu_{n}"] == pytest.approx(plain_bleu(CANDIDATES, REFERENCES, n), abs=1e-6)
    assert values["rouge_l"] == pytest.approx(plain_rouge_l(CANDIDATES, REFERENCES), abs=1e-6)
    assert values["cider_d"] == pytest.approx(plain_cider_d(CANDIDATES, REFERENCES), abs=1e-6)
    assert values["meteor"] is not None
    assert 0 < values["meteor"] < 1
    assert capfd.readouterr() == ("", "")  # what Java says of its work is no result


@pytest.fixture
def fake_package(monkeypatch: pytest.MonkeyPatch):
    """A package of pycocoevalcap's form that computes with the plain implementations."""

    def module(name: str, **members: object) -> types.ModuleType:
        made = types.ModuleType(name)
        vars(made).update(members)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    class Tokenizer:
        def tokenize(self, captions):
            print("PTBTokenizer tokenized ...")
            return {i: [one["caption"] for one in texts] for i, texts in captions.items()}

    def scorer(score):
        class Scorer:
            def compute_score(self, references, candidates):
                assert list(references) == list(candidates)
                assert all(len(texts) == 1 for texts in candidates.values())
                found = [candidates[i][0] for i in candidates]
                return score(found, [references[i] for i in references]), []

        return Scorer

    def bleus(found, wanted):
        return [plain_bleu(found, wanted, n) for n in range(1, 5)]

    def broken(found, wanted):
        raise OSError("no such jar")

    module("pycocoevalcap")
    module("pycocoevalcap.tokenizer")
    module("pycocoevalcap.tokenizer.ptbtokenizer", PTBTokenizer=Tokenizer)
    for part, name, score in (
        ("bleu", "Bleu", bleus),
        ("rouge", "Rouge", plain_rouge_l),
        ("meteor", "Meteor", broken),
        ("cider", "Cider", plain_cider_d),
    ):
        module(f"pycocoevalcap.{part}")
        module(f"pycocoevalcap.{part}.{part}", **{name: scorer(score)})
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    return module


def test_figures_come_from_the_package_and_a_broken_one_is_said(fake_package, capsys):
    found = {one.name: one for one in measure(CANDIDATES, REFERENCES)}
    assert tuple(found) == (*COCO, *WITH_MODELS)
    assert found["bleu_2"].value == pytest.approx(plain_bleu(CANDIDATES, REFERENCES, 2))
    assert found["cider_d"].value == pytest.approx(plain_cider_d(CANDIDATES, REFERENCES))
    assert (found["meteor"].value, found["meteor"].why_not) == (None, "failed: no such jar")
    assert capsys.readouterr().out == ""  # what the package prints is no result


def test_a_scorer_that_fails_with_its_lock_held_is_let_go(fake_package):
    class Pipe:
        closed = False

        def close(self):
            self.closed = True

    class Meteor:
        made: list[Meteor] = []  # noqa: RUF012

        def __init__(self):
            self.lock = threading.Lock()
            self.meteor_p = types.SimpleNamespace(stdout=Pipe(), stderr=Pipe())
            self.made.append(self)

        def compute_score(self, references, candidates):
            self.lock.acquire()
            return float(""), []  # what it makes of a Java that has gone

    fake_package("pycocoevalcap.meteor.meteor", Meteor=Meteor)
    found = {one.name: one for one in measure(CANDIDATES, REFERENCES)}
    assert found["meteor"].why_not.startswith("failed: could not convert string to float")
    [meteor] = Meteor.made
    assert not meteor.lock.locked()
    assert meteor.meteor_p.stdout.closed
    assert meteor.meteor_p.stderr.closed


def test_a_tokenizer_that_fails_is_said(fake_package, capfd):
    class Tokenizer:
        def tokenize(self, captions):
            os.write(2, b"from Java\n")
            raise PermissionError("read-only\nmore")

    fake_package("pycocoevalcap.tokenizer.ptbtokenizer", PTBTokenizer=Tokenizer)
    found = [one for one in measure(CANDIDATES, REFERENCES) if one.name in COCO]
    assert {one.why_not for one in found} == {"its tokenizer failed: read-only"}
    assert capfd.readouterr() == ("", "")


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch):
    for name in ("pycocoevalcap", "pycocoevalcap.tokenizer.ptbtokenizer", "aac_metrics"):
        monkeypatch.setitem(sys.modules, name, None)
    found = measure(CANDIDATES, REFERENCES)
    assert all(one.value is None for one in found)
    assert {one.name: one.why_not for one in found}["cider_d"] == (
        "needs pycocoevalcap: pip install 'audiosearch[eval]'"
    )
    assert all("aac-metrics" in one.why_not for one in found if one.name in WITH_MODELS)


def test_what_an_installed_package_lacks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # As `pip install --no-deps aac-metrics` leaves it.
    (tmp_path / "aac_metrics.py").write_text("import pythonwrench_of_no_machine\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "pycocoevalcap.tokenizer.ptbtokenizer", None)
    monkeypatch.delitem(sys.modules, "aac_metrics", raising=False)
    found = {one.name: one for one in measure(CANDIDATES, REFERENCES)}
    assert found["spice"].why_not == (
        "aac-metrics cannot be loaded: No module named 'pythonwrench_of_no_machine'"
    )


def test_without_java_nothing_is_computed(fake_package, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    found = [one for one in measure(CANDIDATES, REFERENCES) if one.name in COCO]
    assert {one.why_not for one in found} == {"needs Java, for its tokenizer"}


def test_metrics_with_models_come_from_aac_metrics_where_it_has_them(fake_package):
    def evaluate(candidates, references, metrics):
        if metrics == ["fense"]:
            return {"fense": 0.5}, {}
        raise RuntimeError("Cannot find SPICE jar\nmore")

    fake_package("aac_metrics", evaluate=evaluate)
    found = {one.name: one for one in measure(CANDIDATES, REFERENCES)}
    assert found["fense"].value == 0.5
    assert found["spider"].why_not == "aac-metrics: Cannot find SPICE jar"


@pytest.mark.parametrize(("candidates", "references"), [(["a"], []), (["a"], [[]])])
def test_captions_must_pair_up(candidates: list[str], references: list[list[str]]):
    with pytest.raises(ValueError, match="references"):
        measure(candidates, references)


def test_word_use_by_hand():
    use = word_use(["A dog barks.", "a dog barks", "rain"])
    assert (use.n_sentences, use.n_distinct, use.n_words) == (3, 2, 4)
    assert use.mean_length == pytest.approx(7 / 3)
    assert word_use([]).mean_length == 0


@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=6), min_size=2, max_size=5))
def test_identical_captions_are_the_best_there_are(words: list[list[str]]):
    sentences = [" ".join(each) for each in words]
    references = [[sentence] for sentence in sentences]
    assert plain_rouge_l(sentences, references) == pytest.approx(1)
    assert plain_bleu(sentences, references, 1) == pytest.approx(1)
    turned = sentences[1:] + sentences[:1]
    assert plain_cider_d(turned, references) <= plain_cider_d(sentences, references) + 1e-9
