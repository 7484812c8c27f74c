"""Looking after a store, here or at a remote: whether all is whole, and giving up what nobody needs.

    fsck, checks, repair, rebuild    what is wrong, in levels; mended from verified copies
    gc, collect, sweep, roots        what no ref keeps leaves the log, then the storage
    evict                            content that a remote provably holds leaves this disk
    forget, past, retention          data of versions and runs given up, their records kept
    purging, purge, traces           content erased for good, with a certificate

Knows stores, reachability and repositories; may not know of remotes' transfers or of the command line. Plans before it
acts, and deletes nothing on an unknown outcome.
"""
