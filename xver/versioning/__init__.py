"""The verbs on one repository: add, remove, status, commit, log, checkout, branch, merge.

Each takes a `Repo` and joins its rooms: the work tree, `xver.lock`, the store, and git or xver's own history. Knows
nothing of remotes, runs or the command line.
"""
