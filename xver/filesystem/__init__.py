"""Files of any version read without checking them out: `xver://` for a repository here, `xver+s3://` for a remote.

    addresses   what an address names: a store, a version, a path
    sources     stores opened for reading, one for each thread and process
    trees       the files of one version: look up, list, follow links inside a dataset
    files       the fsspec filesystem over them: pandas, polars, pyarrow, duckdb, dask and torch read through it
    opening     `xver.open`          repositories   `xver.open_repo`

Read-only: nothing here writes to a store, a work tree or a remote. Only what is needed is fetched, and every byte is
verified from the id down. The one home of fsspec outside of `storage`, and a reader of XVER_CACHE.
"""
