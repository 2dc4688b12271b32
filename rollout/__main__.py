"""`python -m rollout`: the command line, see `rollout.cli.app`."""

from rollout.cli.app import main

if __name__ == "__main__":
    main()
