"""`xver demo`: a first quarter of an hour with xver, played in half a minute.

Knows the commands a person would type, a data set that every machine has (the sources of Python's own library) and
the two scripts of a small project. Everything goes through the command line, as it would by hand, and needs neither
a network nor anything that xver does not install anyway.

May not know the library of xver: what the demo shows must be what a person gets.
"""
