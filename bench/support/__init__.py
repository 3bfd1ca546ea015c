"""What the measurements share: servers as child processes, the compiled load tools, the messages they send, certificates."""
