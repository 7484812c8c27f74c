"""Long verbs over two stores: push, fetch, pull, clone.

A remote is a store on another storage: what one side lacks is computed from refs and indexes, copied frame by frame,
and made visible by one entry of the other side's log. Knows repositories, history and remotes; may not know of runs'
meaning or of the command line.
"""
