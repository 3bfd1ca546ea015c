"""`serve --nodes N`: several processes of this machine as one server, over a NATS server of their own if there is no other."""
