"""What keeping the log on disk costs, and how long recovery takes."""
