"""Looking after a store: is everything whole, does everything that a ref needs lie where the indexes say?

Knows stores, reachability and repositories; may not know of remotes' transfers or of the command line. Plans before it
acts, and deletes nothing on an unknown outcome.
"""
