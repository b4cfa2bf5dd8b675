import threading

from audiosearch._timing import Stopwatch


def test_seconds_add_up_over_threads() -> None:
    stopwatch = Stopwatch()
    threads = [
        threading.Thread(target=lambda: [stopwatch.add("decode", 0.5) for _ in range(100)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stopwatch.seconds == {"decode": 200.0}


def test_a_stage_that_fails_is_counted_too() -> None:
    stopwatch = Stopwatch()
    try:
        with stopwatch.stage("encode"):
            raise RuntimeError
    except RuntimeError:
        pass
    assert list(stopwatch.seconds) == ["encode"]
