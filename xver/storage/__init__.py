"""Where bytes live: keys and bytes, nothing else.

Knows how to keep immutable objects under names, on a local disk, in memory or in a bucket, and how to create a
name so that exactly one writer wins. May not know what the bytes mean: no ids, no packs, no refs.
"""
