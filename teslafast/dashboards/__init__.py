"""Client doors out: tokens, subscriptions, and the connections that read the log."""
