"""`minicoop`: a small model server of the fedcoop protocol that keeps everything in memory.

It is there so that the suite can be tried without a server (`run --demo`), and so that every test can show that it
catches what it claims to catch: each rule that it keeps has a named fault point, `if coop.fault("no-digest")`, with
which it breaks that rule and no other. It shares no code with fedcoop, and checks requests by code of its own.
"""
