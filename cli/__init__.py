"""The command line of onlinemode."""
