"""Vehicles that speak the real protocol, with a believable drive."""
