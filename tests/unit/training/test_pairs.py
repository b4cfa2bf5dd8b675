"""A joint space trained along with its encoders: shapes, recipes, a tiny run, its bundle."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from click.testing import CliRunner  # noqa: E402

from audiosearch.errors import AudiosearchError, BundleError  # noqa: E402
from audiosearch.model.bundle import load_bundle  # noqa: E402
from audiosearch.model.loaded import Model  # noqa: E402
from audiosearch.model.runtime.session import RuntimeOptions  # noqa: E402
from audiosearch.training.networks.bert import Bert, BertConfig  # noqa: E402
from audiosearch.training.networks.cnn14 import Cnn14, Cnn14Config  # noqa: E402
from audiosearch.training.networks.matching import MatchingNetwork  # noqa: E402
from audiosearch.training.pairs.__main__ import main  # noqa: E402
from audiosearch.training.pairs.data import PairData, read_images, read_table  # noqa: E402
from audiosearch.training.pairs.losses import TagDistance, tag_distance  # noqa: E402
from audiosearch.training.pairs.recipe import FINE_TUNE, PRETRAIN, read_recipe  # noqa: E402
from audiosearch.training.pairs.run import export_run  # noqa: E402
from audiosearch.training.pairs.start import read_bert, small_bert  # noqa: E402
from audiosearch.training.pairs.trainer import PairTrainer  # noqa: E402
from tests.published_joint import write_cnn14  # noqa: E402
from tests.sounds import tone, write_audio  # noqa: E402

CAPTIONS = ("a low hum", "a dog barks", "a bell rings", "birds sing", "rain falls", "a siren wails")
BERT_WORDS = ("the", "[UNK]", "[PAD]", "dog", "[SEP]", "bark", "##s", "[CLS]", "a", "[MASK]")
TINY_BERT = {"hidden_size": 12, "num_attention_heads": 2, "num_hidden_layers": 2}
TINY_BERT |= {"intermediate_size": 20, "max_position_embeddings": 16, "model_type": "bert"}


@pytest.fixture(autouse=True)
def one_thread():
    """Threads cost such small networks more than they do for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_networks_have_the_published_sizes():
    with torch.device("meta"):
        sound, text = Cnn14(), Bert(BertConfig())
    # Those of PANNs' table, and of BERT-base without its pooler.
    assert sum(p.numel() for p in sound.parameters()) == 80_753_615
    assert sum(p.numel() for p in text.parameters()) == 109_482_240 - 768 * 768 - 768
    assert sound.config.embedding == 2048
    assert sound.fc_audioset.out_features == 527


def test_recipes_are_those_of_the_report():
    for recipe, rate in ((PRETRAIN, 1e-4), (FINE_TUNE, 2e-5)):
        assert (recipe.epochs, recipe.batch, recipe.learning_rate) == (20, 128, rate)
        assert recipe.warm_up_epochs == 1


UNFIT = ("[]", "{", '{"epoch": 3}', '{"epochs": "many"}', '{"batch": 0}', '{"tag_distance": "x"}')


@pytest.mark.parametrize("content", UNFIT)
def test_settings_that_there_are_not_are_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(AudiosearchError):
        read_recipe(tmp_path / "x.json", start=PRETRAIN)


def write_bert(folder):
    """A folder as transformers saves a `BertModel`."""
    folder.mkdir()
    torch.manual_seed(1)
    network = Bert(
        BertConfig(vocabulary=10, dim=12, heads=2, layers=2, feedforward=20, positions=16)
    )
    state = {}
    for name, value in network.state_dict().items():
        theirs = f"embeddings.{name}" if "embeddings" in name else name
        theirs = theirs.replace("norm.", "embeddings.LayerNorm.") if name[:5] == "norm." else theirs
        for ours, published in (
            ("norm1", "attention.output.LayerNorm"),
            ("norm2", "output.LayerNorm"),
            (".out.", ".attention.output.dense."),
            ("wide", "intermediate.dense"),
            ("narrow", "output.dense"),
            ("query", "attention.self.query"),
            ("key", "attention.self.key"),
            ("value", "attention.self.value"),
        ):
            theirs = theirs.replace(ours, published)
        state["bert." + theirs.replace("layers.", "encoder.layer.")] = value
    state["bert.pooler.dense.weight"] = torch.zeros(12, 12)
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(TINY_BERT))
    (folder / "vocab.txt").write_text("\n".join(BERT_WORDS) + "\n")
    return network


def test_bert_keeps_the_vectors_of_its_pieces(tmp_path):
    published = write_bert(tmp_path / "bert")
    network, pieces = read_bert(tmp_path / "bert")
    assert pieces.pieces[:4] == ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    for place, piece in enumerate(pieces.pieces):
        row = published.word_embeddings.weight[BERT_WORDS.index(piece)]
        assert torch.equal(network.word_embeddings.weight[place], row)
    ids = pieces.encode("The dogs bark!")
    assert [pieces.pieces[each] for each in ids] == ["the", "dog", "##s", "bark"]
    network.eval()
    with torch.no_grad():
        alone = network(torch.tensor([ids]))
        padded = network(torch.tensor([[*ids, 0, 0], [*ids[:2], 0, 0, 0, 0]]))
    torch.testing.assert_close(padded[:1], alone)
    whole = network._with_ends(torch.tensor([[*ids, 0, 0]]))[0].tolist()
    assert whole == [2, *ids, 3, 0, 0]


def test_other_models_of_text_are_refused(tmp_path):
    write_bert(tmp_path / "bert")
    (tmp_path / "bert" / "config.json").write_text(json.dumps(TINY_BERT | {"model_type": "gpt2"}))
    with pytest.raises(BundleError, match="no BERT"):
        read_bert(tmp_path / "bert")
    (tmp_path / "bert" / "config.json").write_text(json.dumps(TINY_BERT))
    (tmp_path / "bert" / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    with pytest.raises(BundleError, match=r"lacks \[CLS\], \[SEP\]"):
        read_bert(tmp_path / "bert")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    lines = ["file_name,caption_1,caption_2"]
    for place, caption in enumerate(CAPTIONS):
        sound = tone(400 * 2**place, seconds=0.7, rate=32_000)
        write_audio(folder / f"{place}.wav", sound, rate=32_000)
        lines.append(f"{place}.wav,{caption},{caption} somewhere")
    (folder / "captions.csv").write_text("\n".join(lines) + "\n")
    return folder / "captions.csv"


def tiny(captions, *, image_dim: int = 0):
    torch.manual_seed(0)
    sound = Cnn14(
        Cnn14Config(
            classes=5, dims=(4, 4, 6, 8, 8, 16), embedding=24, dropout=0.0, last_dropout=0.0
        )
    )
    text, pieces = small_bert(captions)
    config = replace(text.config, dim=24, heads=2, layers=1, feedforward=32, dropout=0.0)
    return MatchingNetwork(sound, Bert(config), joint_dim=12, image_dim=image_dim), pieces


def trained(table, folder, *, images=None, **settings):
    sounds = read_table(table, audio=table.parent)
    captions = [caption for sound in sounds for caption in sound.captions]
    network, pieces = tiny(captions, image_dim=4 if images else 0)
    recipe = replace(PRETRAIN, batch=6, seconds=0.5, joint_dim=12, learning_rate=5e-3, **settings)
    data = PairData(
        sounds, pieces, folder=folder / "sounds", sample_rate=32_000, seconds=0.5,
        most_pieces=20, images=images,
    )  # fmt: skip
    trainer = PairTrainer(network, data, recipe=recipe, seed=0, folder=folder, pieces=pieces)
    reports = []
    trainer.run(report=reports.append)
    return trainer, pieces, reports


def test_a_tiny_run_learns_its_pairs_and_becomes_a_bundle(table, tmp_path):
    trainer, pieces, reports = trained(table, tmp_path, epochs=60)
    losses = [float(told.text.split()[1][:-1]) for told in reports if told.text[:4] == "loss"]
    chance = 2 * np.log(len(CAPTIONS))
    assert losses[0] > 0.7 * chance
    assert losses[-1] < 0.4 * chance
    path = export_run(trainer.network, pieces, name="own", path=tmp_path / "own")
    bundle = load_bundle(path)
    assert (bundle.joint_dim, bundle.decoder, bundle.tags) == (12, None, ())
    model = Model(bundle, options=RuntimeOptions(device="cpu"))
    sounds = [tone(400 * 2**n, seconds=0.5, rate=32_000) for n in range(len(CAPTIONS))]
    heard = model.encoder.encode_many([sound.astype(np.float32) for sound in sounds])
    cosines = np.stack([each.joint for each in heard]) @ model.tower.embed(CAPTIONS).T
    # One in six by chance; sounds so short and low are alike to a network so small.
    assert (cosines.argmax(axis=1) == np.arange(6)).sum() >= 4
    assert (cosines.argmax(axis=0) == np.arange(6)).sum() >= 4


@pytest.mark.parametrize("kind", list(TagDistance))
def test_tags_are_held_where_they_are_asked_to_be(table, tmp_path, kind):
    """The frozen encoder is the one that the run began with, and it costs to leave it."""
    began = tiny(CAPTIONS)[0].sound.state_dict()
    trainer, _, _ = trained(table, tmp_path, epochs=2, tag_distance=kind, tag_weight=50.0)
    for name, value in trainer.frozen.state_dict().items():
        assert torch.equal(value, began[name])
    assert not torch.equal(trainer.network.sound.fc1.weight, began["fc1.weight"])
    batch, rng = next(trainer.batches(0, first=0)), torch.Generator()
    trainer.network.train()
    held = trainer.loss(batch, rng)
    decibels = trainer.log_mel(batch.waveforms)
    away = tag_distance(
        trainer.network.hear(decibels).tags, torch.sigmoid(trainer.frozen(decibels).logits), kind
    )
    trainer.recipe = replace(trainer.recipe, tag_distance=None)
    free = trainer.loss(batch, rng)
    assert float((held - free).detach()) == pytest.approx(50 * float(away.detach()), rel=1e-3)
    held.backward()
    assert all(each.grad is None for each in trainer.frozen.parameters())


def test_pictures_take_part_where_there_are_some(table, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "images.npz", ids=["0.wav", CAPTIONS[1]], vectors=rng.normal(size=(2, 4)))
    images = read_images(tmp_path / "images.npz")
    trainer, _, _ = trained(table, tmp_path / "run", epochs=2, images=images)
    batch = next(trainer.batches(0, first=0))
    assert 1 <= int(batch.has_image.sum()) <= 2
    assert trainer.network.image_head.linear1.weight.grad.abs().sum() > 0
    np.savez(tmp_path / "bad.npz", ids=["a"], vectors=np.zeros((2, 4)))
    with pytest.raises(AudiosearchError, match="do not pair up"):
        read_images(tmp_path / "bad.npz")


def test_batches_can_be_drawn_again_from_any_number(table, tmp_path):
    sounds = read_table(table, audio=table.parent)
    _, pieces = small_bert(CAPTIONS)
    data = PairData(
        sounds, pieces, folder=tmp_path, sample_rate=32_000, seconds=0.3, most_pieces=20
    )
    whole = list(data.batches(2, seed=3, epoch=1, first=0))
    rest = list(data.batches(2, seed=3, epoch=1, first=1))
    assert data.steps(2) == len(whole) == 3
    assert data.steps(5) == 1
    for one, other in zip(whole[1:], rest, strict=True):
        assert torch.equal(one.waveforms, other.waveforms)
        assert torch.equal(one.tokens, other.tokens)


def test_sounds_are_found_where_clotho_has_them(table, tmp_path):
    base = tmp_path / "CLOTHO_v2.1"
    sounds = base / "clotho_audio_files" / "development"
    (base / "clotho_csv_files").mkdir(parents=True)
    shutil.copytree(table.parent, sounds)
    csv = base / "clotho_csv_files" / "clotho_captions_development.csv"
    csv.write_bytes(table.read_bytes())
    assert [each.path for each in read_table(csv)] == [
        sounds / each.name for each in read_table(table)
    ]


def test_tables_that_lack_something_are_refused(table, tmp_path):
    with pytest.raises(AudiosearchError, match="6 of 6 sounds are not in") as refused:
        read_table(table, audio=tmp_path)
    assert "--audio" in refused.value.remedy
    (tmp_path / "empty.csv").write_text("path,caption\n")
    with pytest.raises(AudiosearchError, match="0 of 0"):
        read_table(tmp_path / "empty.csv", audio=tmp_path)


def test_the_command_trains_fine_tunes_and_exports(table, tmp_path):
    settings = {"epochs": 1, "batch": 3, "seconds": 0.4, "joint_dim": 8}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    encoder = write_cnn14(tmp_path / "Cnn14.pth")
    common = [str(table), "--settings", str(tmp_path / "settings.json"), "--device", "cpu"]
    first = [*common, "--encoder", str(encoder), "--out", str(tmp_path / "first")]
    done = CliRunner().invoke(main, first, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    start = ["--start", str(tmp_path / "first"), "--recipe", "fine-tune", "--tags", "msle"]
    again = [*common, *start, "--out", str(tmp_path / "second")]
    done = CliRunner().invoke(main, again, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    bundle = load_bundle(tmp_path / "second" / "bundle")
    assert (bundle.joint_dim, len(bundle.tags)) == (8, 527)
    kept = json.loads((tmp_path / "second" / "recipe.json").read_text())
    assert kept["learning_rate"] == FINE_TUNE.learning_rate
    assert kept["tag_distance"] == "msle"
