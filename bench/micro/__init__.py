"""What single operations cost, by pytest-benchmark: no kernel, no network. `make bench-micro` runs them."""
