"""`python -m wellposed` is the `wellposed` command."""

import sys

from wellposed.cli import main

if __name__ == "__main__":
    sys.exit(main())
