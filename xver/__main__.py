"""`python -m xver`: the same as the command `xver`."""

import sys

from xver.cli.process import main

if __name__ == "__main__":
    sys.exit(main())
