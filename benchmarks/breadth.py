"""Free-text queries over kinds of sound that are kept from training, in two wordings.

Which recordings are kept says the training's `held_out_breadth.txt`; what is asked, and which
labels are right, `breadth_queries.txt` here. Both are written by hand. Clips whose group another
manifest has as well are left out, since older models were trained on those.

python -m benchmarks.breadth sounds2/manifest.csv --other sounds/manifest.csv [--bundle FOLDER]
python -m benchmarks.breadth sounds2/manifest.csv --write breadth.csv   # for `audiosearch evaluate`
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from audiosearch.training.data.corpus import held_out_breadth
from audiosearch.training.data.dataset import ManifestClip, SplitRule, read_manifest
from benchmarks.child import run
from benchmarks.evaluation_tables import markdown, place

QUERIES = Path(__file__).with_name("breadth_queries.txt")
COLUMNS = ("path", "query", "wording", "part", "label", "group")
PARTS = ("known", "unseen")
WORDINGS = ("usual", "other")


@dataclass(frozen=True)
class BreadthQuery:
    """What is asked for one kind of sound."""

    part: str
    labels: frozenset[str]
    wordings: tuple[str, str]
    """In usual words, and in other words."""
    classes: tuple[str, ...]
    """Classes of the teacher that mean the same; none where it has none."""


def read_queries(path: Path = QUERIES) -> list[BreadthQuery]:
    """The benchmark's queries.

    Raises:
        ValueError: a line is not of five fields, or of no known part.
    """
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        part, labels, usual, other, classes = (field.strip() for field in line.split("|"))
        if part not in PARTS:
            raise ValueError(f"no part of the benchmark: {part!r}")
        names = tuple(filter(None, (name.strip() for name in classes.split(";"))))
        found.append(BreadthQuery(part, frozenset(labels.split()), (usual, other), names))
    return found


def held_out_clips(manifest: Path, others: Sequence[Path]) -> list[ManifestClip]:
    """The clips of a manifest that are kept for the benchmark and in no other manifest's group."""
    rule = SplitRule(hold_out_fold="none", share=0.0, seed=0)
    clips = read_manifest(manifest, rule=rule)
    kept = held_out_breadth().groups_in(clips)
    shared = {clip.group for other in others for clip in read_manifest(other, rule=rule)}
    return [clip for clip in clips if clip.group in kept - shared]


def rows(
    clips: Sequence[ManifestClip], queries: Sequence[BreadthQuery]
) -> Iterator[dict[str, str]]:
    """The lines of the data set, those of each clip together."""
    for clip in clips:
        own = {"path": clip.path, "label": clip.label, "group": clip.group}
        asked = [query for query in queries if clip.label in query.labels]
        for query in asked:
            for wording, text in zip(WORDINGS, query.wordings, strict=True):
                yield own | {"query": text, "wording": wording, "part": query.part}
        if not asked:
            yield own | {"query": "", "wording": "", "part": ""}


def write_dataset(
    path: Path, manifest: Path, others: Sequence[Path], queries: Sequence[BreadthQuery]
) -> None:
    """Write the data set that `audiosearch evaluate queries` reads."""
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows(held_out_clips(manifest, others), queries))


other_option = click.option(
    "--other",
    "others",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A manifest whose groups are left out.",
)


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@other_option
@click.option("--bundle", help="Model, by name or folder (default: the bundled one).")
@click.option("--write", type=click.Path(path_type=Path), help="Only write the data set here.")
@click.option("--work", type=click.Path(path_type=Path), help="Keeps half-done work.")
def main(
    manifest: Path, others: tuple[Path, ...], bundle: str | None, write: Path | None, work: Path
) -> None:
    """Print Markdown; progress goes to stderr."""
    queries = read_queries()
    if write is not None:
        write_dataset(write, manifest, others, queries)
        return
    with place(work) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        data = folder / "breadth.csv"
        write_dataset(data, manifest, others, queries)
        command = ["evaluate", "queries", str(data), "--audio", str(manifest.parent), "--json"]
        command += ["--bundle", bundle] if bundle else []
        done = run(*command, data_dir=folder / "data")
        if done.status:
            raise click.ClickException(done.err)
        print(f"{done.wall_s:.0f} s\n")
        for line in markdown([json.loads(each) for each in done.out.splitlines()]):
            print(line)


if __name__ == "__main__":
    main()
