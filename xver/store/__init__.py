"""Content by id: joins format and storage.

Knows the log (the one thing that changes), the indexes that say where each object lies, how objects are packed,
and how files become content and back. The same code serves the local store and every remote. Write order is packs,
index, log entry: a reader never sees a ref to what is not there. May not know of work trees, git or remotes' names.
"""
