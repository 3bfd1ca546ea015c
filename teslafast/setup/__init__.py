"""
`teslafast setup`: from nothing to a streaming car, in twelve steps.

`journey` goes through the steps; each step is a file. A step looks at the world first (Tesla, the domain, the server, the car),
acts only if it must, and looks again. What cannot be done now ends the run with what is missing and what to do; the same command
goes on from there. docs/your-vehicle.md is the page for those who use it.
"""
