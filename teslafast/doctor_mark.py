"""
How a server knows that the doctor knocks at its vehicles' port, and not a vehicle: a protocol name in the TLS hello that nobody
else offers. It changes no decision: who is refused is refused, counted and logged. It is only not shown as somebody who knocked.
"""

DOCTORS_PROTOCOL = "teslafast-doctor"  # in ALPN, after http/1.1, which is what is spoken
