"""What changed inside a file: tables by rows and columns, tensors by name, everything else by its chunks.

Knows formats (CSV, JSONL, Parquet, Arrow, safetensors, NumPy) and two sources of bytes; knows no repository, no
versions and no terminal. `comparing.compare` picks the format by the name and falls back to bytes, saying why.

Memory is bounded whatever the size of a file: tables come in batches, and of each row no more than its hashes is kept,
in temporary files cut into partitions (`spill`), of which one at a time is joined in memory (`matching`).

Loads pyarrow and numpy, so the command line imports it only to compare.
"""
