"""Coverage-guided fuzzing of the decoder: `python tests/fuzz/fuzz_decode.py -max_total_time=60`.

Needs atheris, and so a CPython that atheris has wheels for; arguments are libFuzzer's.
"""

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))
with atheris.instrument_imports(include=["cadence_sync.core"]):
    from tests.support.oracle import judge
from tests.torture.test_hostile_bodies import SOUND, TOKENS, mutated

HEAD, TAIL = b'{"cadences":[', b'],"info":{"per_page":2,"count":1,"page":1,"more_records":false}}'
SEEDS = 200


def run_one(data: bytes) -> None:
    """Take bytes for a page, and for the records of one."""
    judge(data)
    judge(HEAD + data + TAIL)


def main() -> None:
    """Fuzz from a corpus of sound and of hostile pages, with a dictionary of nasty tokens."""
    with tempfile.TemporaryDirectory(prefix="cadence-sync-fuzz-") as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        bodies = [*SOUND, *map(mutated, range(SEEDS))]
        for number, body in enumerate(
            [*bodies, *(body.removeprefix(HEAD).partition(b'], "info"')[0] for body in bodies)]
        ):
            (corpus / str(number)).write_bytes(body)
        words = Path(folder, "words")
        lines = ("".join(f"\\x{byte:02x}" for byte in token) for token in TOKENS if len(token) < 100)
        words.write_text("".join(f'"{line}"\n' for line in lines))
        atheris.Setup([*sys.argv, f"-dict={words}", "-max_len=20000", "-timeout=10", str(corpus)], run_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
