"""Connections in: one vehicle's conversation, and its connection."""
