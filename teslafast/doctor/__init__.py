"""
`teslafast doctor`: finds what would keep a vehicle or a dashboard from connecting, and says what to do about it.

`report` runs the checks in the order of a set-up; every other module is one group of checks, and gives Findings.
"""
