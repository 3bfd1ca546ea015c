"""Several nodes over one log: a NATS JetStream stream takes the ring's place as what numbers events."""
