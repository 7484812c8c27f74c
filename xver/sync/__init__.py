"""Long verbs between stores: push, fetch, pull, clone, a whole remote moved; and heavy loops spread over workers.

    wish, shallow        what is to go, or to come           snapshots    what a remote keeps of git's commits
    push, fetch, pull    the verbs, over `transfer`          elsewhere    reads of what is not here
    remotes, trust       a remote opened, tried, arranged    executors    add, push by threads, processes, a cluster

A remote is a store on another storage: what one side lacks is computed from refs and indexes, copied frame by frame,
and made visible by one entry of the other side's log. Knows repositories, history and remotes; may not know of runs'
meaning or of the command line.
"""
