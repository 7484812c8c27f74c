"""The verbs on one repository: add, remove, status, commit, log, checkout, branch, merge.

Each takes a `Repo` and joins its rooms: the work tree, `xver.lock`, the store, and git or xver's own history. Knows
nothing of remotes or the command line, and of runs what they are called and what they made.
"""
