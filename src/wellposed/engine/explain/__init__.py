"""Whether a suspect is the cause: replays with one thing changed, and a test that may stop early.

`symptom` says what is looked for, `interventions` (beside this folder) what may be changed.
"""
