"""The git beside us: where it keeps things, history, ignore block.

Knows git repositories: finding one by reading files, the commits that changed `xver.lock` with their simplified
parents, the state of the work tree as git sees it, the block of `.gitignore` that belongs to xver, and committing.
Everything but finding goes through the git executable, by argument lists and never a shell, so the user's hooks,
signing and configuration keep working.

May not know listings, stores or snapshots: it hands out commit ids, texts and paths, and the rooms above give them
meaning. Reads take no locks, ignore replace refs and grafts, and do not look at the variables by which git hands its
own repository to hooks: the repository is always the one at the given root.
"""
