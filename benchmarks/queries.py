"""Ten free-text queries and their first five answers, for a person to judge.

python -m benchmarks.queries ~/sounds
python -m benchmarks.queries --library FOLDER      # one that was kept by benchmarks.indexing
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from benchmarks.child import run

QUERIES = (
    "a dog barks",
    "rain falling on a roof",
    "a woman is speaking",
    "someone is typing on a keyboard",
    "church bells ring in the distance",
    "glass breaks",
    "waves rolling onto the shore",
    "a dog barks after a man speaks",
    "a door is slammed and then someone laughs",
    "thunder followed by rain",
)


@click.command()
@click.argument("sounds", required=False, type=click.Path(exists=True, file_okay=False))
@click.option("--library", type=click.Path(path_type=Path), help="A data folder that is filled.")
@click.argument("queries", nargs=-1)
def main(sounds: str | None, library: Path | None, queries: tuple[str, ...]) -> None:
    """Ask and print: score, path, and the model's own sentence for the best window."""
    if (sounds is None) == (library is None):
        raise click.UsageError("give a folder of sounds, or --library")
    with tempfile.TemporaryDirectory() as place:
        data_dir = library or Path(place)
        if sounds is not None:
            run("index", sounds, "--quiet", data_dir=data_dir)
        for query in queries or QUERIES:
            found = run("find", query, "--json", "-n", "5", "--min-score", "0", data_dir=data_dir)
            click.echo(f"\n{query}")
            for line in found.out.splitlines():
                hit = json.loads(line)
                where = "/".join(Path(hit["path"]).parts[-3:])
                click.echo(f"  {hit['score']:.2f}  {where:<45}  {hit['caption']}")


if __name__ == "__main__":
    main()
