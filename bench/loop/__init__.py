"""What else runs on the event loop besides frames, and for how long everybody waits for it."""
