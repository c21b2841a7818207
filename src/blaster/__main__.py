"""`python -m blaster`: the command line."""

from blaster.cli.app import main

if __name__ == "__main__":
    raise SystemExit(main())
