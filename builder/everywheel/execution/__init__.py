"""Commands, files and the scheduler that runs steps in parallel.

One module starts all external programs and logs their command lines and output; all steps share one limit of jobs.
"""
