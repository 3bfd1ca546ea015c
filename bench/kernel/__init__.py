"""What the kernel takes for itself, with no server of anybody's in it."""
