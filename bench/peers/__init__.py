"""The servers that ours is measured against, each as one would write it first: `python -m bench.peers.NAME PORT`."""
