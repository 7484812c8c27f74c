"""Questions about versions: what differs, what merges, what is reachable, which snapshot a word means.

Works on ids and a store; everything here reads and computes, and only a merge writes the listings it makes. May not
know of the disk, of git or of remotes.
"""
