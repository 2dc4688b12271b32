"""The command line: one command a file, registered in `app`.

A command's file imports only what its signature needs; torch and the like are imported inside the
function, so that `--help` answers at once.
"""
