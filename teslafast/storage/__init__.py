"""What outlives the process: the journal, checkpoints, group commit."""
