"""Experiments: what a program logs about itself while it runs, and what people ask of many runs.

Knows how to begin a run from Python, how a process finds the run that it belongs to (`XVER_RUN`, `XVER_REPO`), and how
runs are listed, compared and exported. Besides the command line this is the only room that reads `XVER_*`. A run made
here is the same record as one of `xver run`; how it is stored is the business of provenance.
"""
