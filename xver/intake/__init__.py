"""Data that comes from elsewhere: where it came from is recorded, and asked again.

    importing    `import` and `update`: content brought, tracked, and its origin sealed as a run
    choosing     what an address means: an `origin`, which is a file of a web server, objects of a bucket, a folder of
                 this machine, a path of another repository, or the listing of a bucket alone (`references`)
    getting      `get`: a path of a version to anywhere, no repository needed
    adopting     `adopt`: what another tool (`tools`: dvc, lfs) tracks, by small files of a commit or the disk (`trees`)
                 or a bucket holds (`buckets`); `taking` reads each file or object (`held`) once (`reads`)

    address ─► origin ─► content in the store ─► xver.lock, the disk, and a run whose source is the address

Nothing is tracked before all of its content is here, and nothing is asked for twice that its server says is unchanged.
Knows stores, remotes, runs and addresses; may not know of the command line.
"""
