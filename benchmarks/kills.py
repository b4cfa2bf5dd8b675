"""Kill the real commands at random moments; after each, the library must be sound.

    python -m benchmarks.kills --kills 500 --seed 1

Works on generated sounds and a toy bundle. Round after round: sounds are added, edited, renamed,
copied and removed; then `index` (now and then `captions add` or `describe`, which write too) is
killed up to three times with SIGKILL, and run to its end. After each kill all invariants are
checked, and that nothing acknowledged is gone: recordings that were complete, captions that were
added. Half of the commands commit each batch by itself, half hold some for a second, as they do
unasked. At the end of each round every file on the disk must be indexed, no more than what a kill
met uncommitted may have been encoded twice, and one more run must encode nothing. Exit status 1 if
anything is amiss. SIGINT or SIGTERM ends it after the round in hand; it then tells what was done so
far. POSIX only: commands run in forks.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import click
from sqlalchemy import text

from audiosearch.indexing.batching import BATCHES_TOGETHER
from audiosearch.store.database import open_database
from audiosearch.store.integrity.verify import verify
from benchmarks.forked import BATCH, ForkedCommand
from benchmarks.told import told_to_stop
from tests.sounds import noise, write_audio
from tests.toy_bundles import TOY

_HELD = BATCHES_TOGETHER + 2  # batches: those that wait, one that is stored, one that is encoded
_LONGEST_S = 45.0  # of a sound: eight windows


@dataclass(frozen=True)
class Seen:
    """What a library held at a moment."""

    windows: frozenset[tuple[bytes, int]]  # hash of the sound, position in it
    complete: frozenset[bytes]  # hashes of sounds that are complete
    captions: frozenset[str]  # of people
    states: tuple[tuple[bytes, str], ...]  # path, state


@dataclass
class Tally:
    """What was done and found."""

    kills: int = 0
    ended_before: int = 0
    rounds: int = 0
    repeated: int = 0
    amiss: list[str] = field(default_factory=list)


class Rounds:
    """A folder of sounds that changes, its library, and what must be true of them."""

    def __init__(self, place: Path, *, seed: int) -> None:
        self.tally = Tally()
        self._dice = random.Random(seed)  # noqa: S311 - moments, no secrets
        self._sounds = place / "sounds"
        self._sounds.mkdir()
        self._n_made = self._n_described = 0
        self._edited: set[bytes] = set()  # sounds that the library may let go, as outgrown
        self._command = ForkedCommand(data_dir=place / "data", bundle=TOY)
        holding = {"AUDIOSEARCH_INDEX_COMMIT_S": "1"}
        self._holding = ForkedCommand(data_dir=place / "data", bundle=TOY, settings=holding)
        self._length_s = 1.0  # of a whole run, as the last one took
        self._acknowledged: set[str] = set()
        for _ in range(6):
            self._add()
        self._finish()
        self._round_up(self._look(), most_repeated=0, n_encoded=0)

    def round(self) -> None:
        """Change the folder, kill one to three times, finish, and compare."""
        self.tally.rounds += 1
        self._n_described = 0
        before, n_encoded = self._look(), self._command.n_encoded
        self._change_folder()
        most_repeated = 0
        for _ in range(self._dice.choice((1, 1, 2, 3))):
            most_repeated += self._kill()
            now = self._look()
            self._expect(
                before.complete - self._edited <= now.complete, "complete recordings were lost"
            )
            self._expect(self._acknowledged <= now.captions, "captions of people were lost")
        self._finish()
        self._round_up(before, most_repeated=most_repeated, n_encoded=n_encoded)

    def _round_up(self, before: Seen, *, most_repeated: int, n_encoded: int) -> None:
        after = self._look()
        there = {path.name.encode() for path in self._sounds.iterdir()}
        indexed = {path for path, state in after.states if state == "indexed"}
        self._expect(indexed == there, f"indexed {len(indexed)} files of {len(there)}")
        n_indexed = self._command.n_encoded - n_encoded - self._n_described
        repeated = n_indexed - len(after.windows - before.windows)
        self.tally.repeated += max(0, repeated)
        if n_encoded:
            self._expect(0 <= repeated <= most_repeated, f"{repeated} windows encoded twice")
        n_encoded = self._command.n_encoded
        self._run("index")
        self._expect(self._command.n_encoded == n_encoded, "a second run encoded something")

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.tally.amiss.append(f"round {self.tally.rounds}, kill {self.tally.kills}: {what}")

    def _kill(self) -> int:
        """Kill a command at a random moment; how many windows may have been lost with it."""
        chosen, holds = self._dice.random(), self._dice.random() < 0.5
        command = self._holding if holds else self._command
        arguments: tuple[str, ...] = ("index", str(self._sounds), "--accept-missing")
        length_s = self._length_s
        if chosen < 0.1:
            said = f"a sound of {self._dice.randrange(10**6)} bells"
            arguments, length_s = ("captions", "add", said), 0.25
        elif chosen < 0.2:
            anywhere = str(self._dice.choice(self._files()))
            arguments, length_s = ("describe", anywhere), 0.6
        n_encoded = self._command.n_encoded
        ending = command(*arguments, kill_after_s=self._dice.uniform(0.02, length_s))
        if arguments[0] == "describe":  # a sound that is not indexed yet is encoded to be described
            self._n_described += self._command.n_encoded - n_encoded
        self.tally.kills += 1
        self.tally.ended_before += not ending.killed
        if ending.status > 1:
            self._expect(False, f"{arguments[0]} failed: {self._command.said.read_text()[-300:]}")
        if arguments[0] == "captions" and ending.status == 0:
            self._acknowledged.add(arguments[2])
        n_batches = _HELD if holds else 1
        return n_batches * BATCH if ending.killed and arguments[0] == "index" else 0

    def _finish(self) -> None:
        self._length_s = self._run("index", str(self._sounds), "--accept-missing")

    def _run(self, *arguments: str) -> float:
        ending = self._command(*arguments)
        self._expect(ending.status == 0, f"{arguments[0]}: {self._command.said.read_text()[-300:]}")
        return ending.wall_s

    def _look(self) -> Seen:
        """What the library holds, having checked all invariants."""
        with open_database(self._command.database) as database:
            for each in verify(database):
                self._expect(False, f"{each.invariant}: {each.detail}")
            with database.reading() as session:
                rows = session.execute(
                    text(
                        "SELECT r.audio_hash FROM encoding AS e JOIN recording AS r"
                        " ON r.id = e.recording_id WHERE e.n_windows IS NOT NULL"
                    )
                )
                complete = frozenset(row[0] for row in rows)
                rows = session.execute(text("SELECT text FROM caption WHERE source = 'user'"))
                captions = frozenset(row[0] for row in rows)
                rows = session.execute(text("SELECT path, state FROM sound_file ORDER BY path"))
                states = tuple((row[0], row[1]) for row in rows)
                rows = session.execute(
                    text(
                        "SELECT r.audio_hash, w.position FROM window AS w JOIN recording AS r"
                        " ON r.id = w.recording_id"
                    )
                )
                windows = frozenset((row[0], row[1]) for row in rows)
        return Seen(windows, complete, captions, states)

    def _sound_of(self, path: Path) -> set[bytes]:
        """The sound that the library knows a file to hold."""
        with open_database(self._command.database) as database, database.reading() as session:
            rows = session.execute(
                text(
                    "SELECT r.audio_hash FROM sound_file AS f JOIN recording AS r"
                    " ON r.id = f.recording_id WHERE f.path = :path"
                ),
                {"path": path.name.encode()},
            )
            return {row[0] for row in rows}

    def _files(self) -> list[Path]:
        return sorted(self._sounds.iterdir())

    def _add(self) -> None:
        self._n_made += 1
        self._write(self._sounds / f"{self._n_made}.wav")

    def _write(self, path: Path) -> None:
        length_s = self._dice.uniform(0.3, _LONGEST_S)
        write_audio(path, noise(seconds=length_s, seed=self._dice.randrange(10**9)))

    def _change_folder(self) -> None:
        for _ in range(self._dice.randint(1, 3)):
            self._add()
        anyone = self._dice.choice(self._files())
        self._edited = set()
        match self._dice.randrange(6):
            case 0:
                self._edited = self._sound_of(anyone)
                self._write(anyone)
            case 1:
                self._n_made += 1
                anyone.rename(anyone.with_name(f"renamed-{self._n_made}.wav"))
            case 2:
                self._n_made += 1
                anyone.with_name(f"copy-{self._n_made}.wav").write_bytes(anyone.read_bytes())
            case 3:
                anyone.unlink()
        for file in self._files()[12:]:  # keeps rounds short; the library keeps growing
            file.unlink()


@click.command()
@click.option("--kills", default=500, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(kills: int, seed: int) -> None:
    """Kill, check, go on; print what came of it."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as place, told_to_stop() as stop:
        rounds = Rounds(Path(place), seed=seed)
        tally = rounds.tally
        while tally.kills < kills and not tally.amiss and not stop.is_set():
            rounds.round()
            if tally.rounds % 20 == 0:
                click.echo(f"{tally.kills} kills, {tally.repeated} windows repeated", err=True)
    click.echo(
        f"seed {seed}: {tally.kills} kills in {tally.rounds} rounds"
        f" ({tally.ended_before} came too late), {time.monotonic() - start:.0f} s;"
        f" {tally.repeated} windows encoded twice; {len(tally.amiss)} amiss"
    )
    for each in tally.amiss:
        click.echo(each)
    sys.exit(1 if tally.amiss else 0)


if __name__ == "__main__":
    main()
