#!/bin/sh
# A token that is made the padding token of a tokenizer (GPT-2 has none; msclap takes "!") is special
# from then on: it is cut out of texts before words are read, "!!" and " !" are no tokens any more,
# and the "!" that people write has the id of padding. Code that counts what is no padding by its id,
# as msclap's does to find the end of a text, is then off by one for each of them.
# Exits with 1 if that is no longer so.
# Usage: PYTHON=python3.11 findings/tokenizers-word-made-padding-is-cut-out.sh
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==4.57.6 tokenizers==0.22.2
TRANSFORMERS_VERBOSITY=error "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys
from importlib.metadata import version
from pathlib import Path

from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2TokenizerFast

folder = Path(sys.argv[1])
trained = ByteLevelBPETokenizer()
trained.train_from_iterator(["stop !! he shouts !!"] * 50, vocab_size=300, show_progress=False)
trained.save_model(str(folder))
table = json.loads((folder / "vocab.json").read_text())
table["<|endoftext|>"] = len(table)
(folder / "vocab.json").write_text(json.dumps(table))


def read(tokenizer, text):
    ids = tokenizer(text)["input_ids"]
    return tokenizer.convert_ids_to_tokens(ids), ids


tokenizer = GPT2TokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))
text = "stop !! <|endoftext|>"
before, _ = read(tokenizer, text)
tokenizer.add_special_tokens({"pad_token": "!"})
after, ids = read(tokenizer, text)
at = sum(each != tokenizer.pad_token_id for each in ids) - 1
print(f"tokenizers {version('tokenizers')}, transformers {version('transformers')}: {text!r}")
print(f"without a padding token: {before}")
print(f'with "!" as padding:     {after}')
print(f"its end is at {len(ids) - 1}; counted by what is no padding it is at {at}")
surprising = after.count("!") == 2 and "!" not in before and at == len(ids) - 3
print("as found" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
