"""Sockets, TLS, HTTP, routes, and the life of a server."""
