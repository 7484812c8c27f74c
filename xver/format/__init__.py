"""How values become bytes: pure `encode_x` and `decode_x`, by docs/format.md.

Knows the layout of every object, pack, index, log entry and of xver.lock, and the rules by which content and
listings are split. Every reader takes its input as hostile: maxima are checked before memory is taken, sizes must
add up, and what is wrong raises `CorruptData` or `UnsupportedFormat`. May not know where bytes lie.
"""
