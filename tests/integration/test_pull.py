"""Fetching published models with the real client from a server on this machine."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
hub_client = pytest.importorskip("huggingface_hub")

from click.testing import CliRunner  # noqa: E402

from audiosearch.cli.models import models  # noqa: E402
from audiosearch.convert import pull  # noqa: E402
from audiosearch.convert.pull import FileSource, HubSource, PullFolders  # noqa: E402
from audiosearch.errors import BundleError  # noqa: E402
from audiosearch.model import registry  # noqa: E402
from audiosearch.model.bundle import MANIFEST, load_bundle  # noqa: E402
from audiosearch.model.registry import list_bundles  # noqa: E402
from tests.e2e.command import Command  # noqa: E402
from tests.hub_server import COMMIT, Hub, serve  # noqa: E402
from tests.published_checkpoints import write_encoder, write_hub_folder  # noqa: E402

SOURCE = HubSource("someone/captioner")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hub_folder(tmp_path_factory.mktemp("hub"))


@pytest.fixture
def hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve(Hub(folder, SOURCE.repo)) as server:
        monkeypatch.setattr(hub_client.constants, "ENDPOINT", server.url)
        monkeypatch.setattr(
            hub_client.constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            server.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(pull, "HfApi", lambda: hub_client.HfApi(endpoint=server.url))
        yield server


@pytest.fixture
def places(tmp_path: Path) -> PullFolders:
    return PullFolders(models=tmp_path / "models", downloads=tmp_path / "downloads")


def test_a_model_is_fetched_pinned_and_found_again_offline(hub: Hub, places: PullFolders) -> None:
    path, pin = pull.pull_hub(SOURCE, name="captioner", places=places, quiet=True)
    bundle = load_bundle(path)
    assert (bundle.licence, bundle.version) == ("mit", COMMIT[:12])
    assert dict(bundle.vocabulary.tasks)
    assert pull.read_pins(places.models) == {SOURCE.repo: pin}
    assert pin.files["pytorch_model.bin"] == hub.sha256("pytorch_model.bin")
    assert len(pin.files["config.json"]) == 64

    asked = len(hub.requests)
    folder, again = pull.fetch_hub(SOURCE, places=places, offline=True, quiet=True)
    assert again == pin
    assert (folder / "config.json").is_file()
    assert len(hub.requests) == asked


def test_clap_is_fetched_with_its_tokens_and_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: PullFolders
) -> None:
    from tests.published_joint import write_clap_folder  # noqa: PLC0415 - with torch

    source = HubSource("someone/clap", pull.SOURCES["clap"].beside)
    folder = write_clap_folder(tmp_path / "clap")
    with serve(Hub(folder, source.repo, licence="apache-2.0")) as server:
        monkeypatch.setattr(hub_client.constants, "ENDPOINT", server.url)
        monkeypatch.setattr(
            hub_client.constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            server.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(pull, "HfApi", lambda: hub_client.HfApi(endpoint=server.url))
        path, pin = pull.pull_hub(source, name="clap", places=places, quiet=True)
    assert {"vocab.json", "merges.txt", "preprocessor_config.json"} <= pin.files.keys()
    bundle = load_bundle(path)
    assert (bundle.licence, bundle.joint_dim, bundle.decoder) == ("apache-2.0", 8, None)


@pytest.fixture
def microsofts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[HubSource, Hub, Hub]]:
    """A source as `msclap` is one, of a small model, and both repositories that it names."""
    from tests.published_joint import write_msclap  # noqa: PLC0415 - with torch

    weights, gpt2 = write_msclap(tmp_path / "msclap")
    (tmp_path / "clap").mkdir()
    weights = weights.rename(tmp_path / "clap" / weights.name)
    known = {weights.name: hashlib.sha256(weights.read_bytes()).hexdigest()}
    reader = replace(pull.SOURCES["msclap"].reader, repo="someone/gpt2", known={})
    source = replace(pull.SOURCES["msclap"], repo="someone/msclap", known=known, reader=reader)
    with (
        serve(Hub(weights.parent, source.repo, licence="ms-pl")) as first,
        serve(Hub(gpt2, reader.repo, commit=COMMIT[::-1])) as second,
    ):
        urls = {source.repo: first.url, reader.repo: second.url}

        class Api:
            def model_info(self, repo: str, **options: object) -> object:
                monkeypatch.setattr(hub_client.constants, "ENDPOINT", urls[repo])
                monkeypatch.setattr(
                    hub_client.constants,
                    "HUGGINGFACE_CO_URL_TEMPLATE",
                    urls[repo] + "/{repo_id}/resolve/{revision}/{filename}",
                )
                return hub_client.HfApi(endpoint=urls[repo]).model_info(repo, **options)

        monkeypatch.setattr(pull, "HfApi", Api)
        yield source, first, second


def test_microsofts_clap_is_fetched_with_what_reads_its_texts(
    microsofts: tuple[HubSource, Hub, Hub], places: PullFolders
) -> None:
    source, _, second = microsofts
    path, pin = pull.pull_hub(source, name="msclap", places=places, quiet=True)
    bundle = load_bundle(path)
    assert (bundle.licence, bundle.version, bundle.joint_dim) == ("ms-pl", COMMIT[:12], 8)
    assert list(pin.files) == ["CLAP_weights_2023.pth"]
    pins = pull.read_pins(places.models)
    assert pins[source.repo] == pin
    assert pins["someone/gpt2"].revision == COMMIT[::-1]
    assert pins["someone/gpt2"].files["vocab.json"] == second.sha256("vocab.json")


def test_the_command_shows_both_licences(
    microsofts: tuple[HubSource, Hub, Hub],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, _, second = microsofts
    second.licence = "mit"
    monkeypatch.setattr(pull, "SOURCES", {"msclap": source})
    environ = {"AUDIOSEARCH_DATA_DIR": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path)}
    answer = CliRunner().invoke(models, ["pull", "msclap"], env=environ, catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    assert f"someone/msclap at {COMMIT}, licence: ms-pl" in answer.stderr
    assert f"someone/gpt2 at {COMMIT[::-1]}, licence: mit" in answer.stderr


def test_another_file_than_the_known_one_is_refused(
    microsofts: tuple[HubSource, Hub, Hub], places: PullFolders
) -> None:
    source, _, _ = microsofts
    other = replace(source, known={"CLAP_weights_2023.pth": "0" * 64})
    with pytest.raises(BundleError, match="SHA-256 differs"):
        pull.pull_hub(other, name="msclap", places=places, quiet=True)
    assert pull.read_pins(places.models) == {}
    # Whoever asks for a revision by name means that one.
    folder, _ = pull.fetch_hub(other, places=places, revision=COMMIT, quiet=True)
    assert (folder / "CLAP_weights_2023.pth").is_file()


def test_a_repository_that_lacks_a_file_is_refused(
    microsofts: tuple[HubSource, Hub, Hub], places: PullFolders
) -> None:
    source, first, second = microsofts
    (second.folder / "merges.txt").unlink()
    with pytest.raises(BundleError, match=r"someone/gpt2 holds no merges\.txt"):
        pull.pull_hub(source, name="msclap", places=places, quiet=True)
    (first.folder / "CLAP_weights_2023.pth").unlink()
    with pytest.raises(BundleError, match=r"holds no CLAP_weights_2023\.pth"):
        pull.pull_hub(source, name="msclap", places=places, quiet=True)


def test_offline_needs_an_earlier_fetch(places: PullFolders) -> None:
    with pytest.raises(BundleError, match="not fetched yet"):
        pull.fetch_hub(SOURCE, places=places, offline=True, quiet=True)


def test_a_cut_connection_is_taken_up_again(hub: Hub, places: PullFolders) -> None:
    hub.cut = 10_000
    folder, _ = pull.fetch_hub(SOURCE, places=places, quiet=True)
    weights = folder / "pytorch_model.bin"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == hub.sha256(weights.name)
    assert hub.cut is None
    asked = [each for each in hub.requests if each.startswith("GET") and weights.name in each]
    assert len(asked) == 2


def test_a_wrong_hash_leaves_no_model_and_no_download(hub: Hub, places: PullFolders) -> None:
    hub.lie = True
    with pytest.raises(BundleError, match="SHA-256 differs"):
        pull.pull_hub(SOURCE, name="captioner", places=places, quiet=True)
    assert list_bundles(search=[places.models]) == []
    assert pull.read_pins(places.models) == {}
    hub.lie = False
    pull.fetch_hub(SOURCE, places=places, quiet=True)


def test_other_content_under_a_pinned_revision_is_refused(
    hub: Hub, places: PullFolders, tmp_path: Path
) -> None:
    _, pin = pull.fetch_hub(SOURCE, places=places, quiet=True)
    places.models.mkdir()
    (places.models / pull.PINS).write_text(json.dumps({SOURCE.repo: asdict(pin)}))
    hub.folder = write_hub_folder(tmp_path / "changed", seed=1)
    fresh = PullFolders(models=places.models, downloads=tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="SHA-256 differs"):
        pull.fetch_hub(SOURCE, places=fresh, quiet=True)


def test_a_full_disk_leaves_no_model(
    hub: Hub, places: PullFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_text

    def full(path: Path, text: str, encoding: str | None = None) -> int:
        if path.name == MANIFEST:  # the last file of a bundle
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, text, encoding=encoding)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(BundleError, match="No space"):
        pull.pull_hub(SOURCE, name="captioner", places=places, quiet=True)
    assert not list(places.models.glob("*"))


def test_a_missing_repository_is_said(hub: Hub, places: PullFolders) -> None:
    with pytest.raises(BundleError, match="cannot be fetched"):
        pull.fetch_hub(HubSource("nobody/nothing"), places=places, quiet=True)


def test_files_with_listed_sums(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    content = write_encoder(folder / "encoder.pth").read_bytes()
    with serve(Hub(folder, "none")) as server:
        source = FileSource(f"{server.url}/files/encoder.pth", hashlib.md5(content).hexdigest())
        server.cut = 5_000
        with pytest.raises(BundleError, match="cannot be fetched"):
            pull.fetch_file(source, folder=tmp_path / "downloads")
        assert not (tmp_path / "downloads" / "encoder.pth").exists()
        assert pull.fetch_file(source, folder=tmp_path / "downloads").read_bytes() == content
        assert server.ranges == ["bytes=5000-"]
        wrong = FileSource(source.url, "0" * 32)
        with pytest.raises(BundleError, match="MD5 differs"):
            pull.fetch_file(wrong, folder=tmp_path / "others")
        assert not list((tmp_path / "others").iterdir())


def test_the_command_shows_revision_and_licence(folder: Path, tmp_path: Path) -> None:
    with serve(Hub(folder, "Labbeti/conette", licence="cc-by-4.0")) as server:
        command = Command(tmp_path / "data", bundle="", environ={"HF_ENDPOINT": server.url})
        answer = command("models", "pull", "conette")
    assert answer.status == 0, answer.err
    assert COMMIT in answer.err
    assert "licence: cc-by-4.0" in answer.err
    assert load_bundle(tmp_path / "data" / "models" / "conette").licence == "cc-by-4.0"
    # The server is gone.
    again = command("models", "pull", "conette", "--offline", "--force", "--quiet")
    assert (again.status, again.err) == (0, "")
    without = command("models", "pull", "conette", "--force")
    assert without.status == 2
    assert "cannot be fetched" in without.err
    assert command("models", "pull", "nothing").status == 2


def test_what_is_missing_is_fetched_by_the_names_that_there_are(tmp_path: Path) -> None:
    assert set(registry.PULLED) == set(pull.SOURCES)
    with pytest.raises(BundleError, match="no model bundle is named 'clap'") as missing:
        registry.find_bundle("clap", search=[tmp_path])
    assert missing.value.remedy == "audiosearch models pull clap fetches it"
