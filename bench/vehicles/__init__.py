"""Vehicles in over mutual TLS: messages, handshakes, and a whole fleet that comes back at once."""
