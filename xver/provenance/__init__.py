"""How runs are seen while they happen, recorded when they end, and asked about ever after.

A run in flight is a folder of append-only files, so that nothing it logged is lost whatever dies. What it reads and
writes is watched from outside, without its help. Sealed, it is one immutable record in the ordinary store, joined to
files, datasets and other runs by their ids alone.

May import the model, the formats, the store, history, the work tree, the repository, versioning and git. Prints
nothing, exits nothing, reads no environment variable: what a run's process was told comes in as arguments.
"""
