"""What every WebSocket end of ours does, whoever is at the other end."""
