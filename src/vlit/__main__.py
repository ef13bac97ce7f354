"""``python -m vlit`` is ``vlit``."""

from vlit.cli import main

if __name__ == "__main__":
    main()
