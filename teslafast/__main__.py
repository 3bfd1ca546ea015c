"""`python -m teslafast` is `teslafast`."""

from .cli import main

if __name__ == "__main__":
    main()
