"""
Measurements: pytest-benchmark cases, compiled load tools, and the servers that ours is compared with.

They need Linux with two cores, a C compiler and OpenSSL's headers. A peer that is not installed (npm, nats-server) is left out.
"""
