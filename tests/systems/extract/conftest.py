"""The tests of the extractor share a small recipe and network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
