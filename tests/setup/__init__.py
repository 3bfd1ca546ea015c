"""The set-up: a fake Tesla, a real server, and the steps between them."""
