"""The fault suite: known failures put into real runs, to see what the guard says of them.

Each file of `injections/` holds faults of one kind. `trial` runs one of them in a host system,
`suite` runs many and says which were found, when, and whether the code names them right.
"""
