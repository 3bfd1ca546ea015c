"""What all connections share: the hub, last values, the registry of vehicles, views of the log. Pure."""
