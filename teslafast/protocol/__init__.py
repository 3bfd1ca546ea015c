"""Tesla's bytes: envelopes, records, signals, and what a vehicle's certificate says. Pure."""
