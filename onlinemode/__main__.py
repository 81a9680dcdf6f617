"""``python -m onlinemode``: the command line."""

from onlinemode.cli.process import main

if __name__ == "__main__":
    main()
