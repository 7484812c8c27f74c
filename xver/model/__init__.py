"""What is versioned: frozen values, no I/O.

Knows ids, tracked paths, the entries of a dataset, snapshots and runs. A value that exists is valid: everything
that comes from outside is parsed by a constructor here. May not know how values become bytes or where they lie.
"""
