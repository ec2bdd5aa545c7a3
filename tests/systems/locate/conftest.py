"""The tests of the locator share a small one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
