"""teslafast: Tesla vehicles' telemetry in over mutual TLS, and out to any number of dashboards."""

__version__ = "0.1.0"
