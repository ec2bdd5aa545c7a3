"""The search for a recipe: many short runs of one system, chosen by Optuna, that survive kills.

`space` says what is varied, `study` keeps what was tried, `lease` notices who died, `attempt` is
one trial (an ordinary run), `worker` a process that works at trials, `search` their parent,
`outcome` what is told at the end. All but `space` need the package optuna: `optional` says so.
"""
