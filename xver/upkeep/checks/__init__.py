"""The single checks of `xver fsck`, one thought each; `xver.upkeep.fsck` puts them together.

footers   every live pack's footer against the rows of the indexes (level 1)
frames    every frame against its checksum and id (level 2)
reached   what refs lead to is there, and is what led there says (level 1)
touched   the commits and runs that something damaged belongs to

All of them go pack by pack or object by object: none holds a row for each object of the store.
"""
