"""The plan: which steps a project requires, in which order, with a cache key for each.

`make_plan` reads neither disk nor network, so that the same project, recipes and targets always give the same plan.
"""
