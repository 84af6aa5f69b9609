"""The suite's own signatures, proofs and canonical forms: pure, and shared with no server."""
