"""The plan: the steps that a project requires, in order, each with its cache key.

`make_plan` accesses neither disk nor network, so the same project, recipes and targets always result in the same plan.
"""
