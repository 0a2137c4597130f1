"""Commands, files and the scheduler that runs steps in parallel.

Every external program is started by one function that logs its command line and output; all steps share one limit of jobs.
"""
