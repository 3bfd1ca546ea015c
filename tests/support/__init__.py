"""What tests share: servers, peers, certificates, doubles. DATA holds recorded conversations and answers."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
SHARED = ROOT.parent / "shared"
