"""Certificate chains, trust anchors, Tesla's CAs, and issuing our own."""
