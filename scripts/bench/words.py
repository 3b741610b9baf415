"""What texts cost to tokenise: by their words, each asked once, beside the tokenizer on whole texts.

Use: words.py MODEL DATASET [--split test]   (of single texts; processor time, the least of rounds in turns)
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from toolkit import inputs
from toolkit.commands import _models
from toolkit.data.options import ContentOptions

ROUNDS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("dataset")
    parser.add_argument("--split", default="test")
    given = parser.parse_args()
    source = inputs.resolve("data", "dataset", given.dataset)
    rows = inputs.load_dataset(source, ContentOptions())[given.split]
    model = inputs.resolve("source", "model", given.model)
    ways: dict[str, Any] = {name: _models.predictor(model, "evaluate", "cpu").reader for name in ("whole", "words")}
    if ways["words"]._words is None:
        parser.error("this tokenizer reads whole texts alone")
    ways["whole"]._words = None
    texts, ids = ways["words"].contents(rows), {}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, reader in ways.items():
            started = time.process_time()
            encoded = reader.encode(texts)
            taken[name].append(1e6 * (time.process_time() - started) / len(texts))
            ids[name] = [row["input_ids"].tolist() for row in encoded]
    if ids["whole"] != ids["words"]:
        raise SystemExit("the two do not agree")
    least = {name: min(each) for name, each in taken.items()}
    print(f"{len(texts)} texts, µs each: whole {least['whole']:.1f}; by words {taken['words'][0]:.1f} at first,")
    print(f"then {least['words']:.1f}: {least['whole'] / least['words']:.1f} times; the same ids")


if __name__ == "__main__":
    main()
