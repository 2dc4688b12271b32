"""Rivals in virtual environments of their own: a script each, named in benches/peers.txt."""
