"""The command line: a thin user of the library.

Knows click, the terminal, the words of each command and the exit codes. This is the only room that prints, reads
the `XVER_*` variables for a command, or ends the process. Commands are loaded when they are called, so that
`xver --version` and `xver --help` import none of them.

May not know algorithms: a command reads its options, calls one verb of the library and shows what it returned.
The library raises; `failures` turns what it raised into lines and an exit code.
"""
