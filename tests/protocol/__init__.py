"""Tests of `fedcoop.protocol`, one file a module; `signing.py` has their cast, `vectors/` the published facts."""
