"""The user's directory: what lies there, how it becomes content, and how content becomes files again, safely.

Knows the disk, the stat index (a cache of what each file's bytes were last seen to be) and ignore rules. Works on
a root directory and a store; may not know of git, of remotes or of history.
"""
