"""`teslafast setup --costs`: what a car costs a month, by preset, and what a set-up costs once."""

from __future__ import annotations

from collections.abc import Iterator

from ..onboarding.presets import ASSUMPTIONS, MONTHLY_CREDIT, PRESETS, SIGNALS_PER_DOLLAR, dollars_a_month, signals_a_month

DATA_CALLS_PER_DOLLAR = 500
CALLS_OF_A_SETUP, CALLS_OF_A_LOOK = 20, 12


def cost_rows() -> Iterator[dict[str, object]]:
    """The same for a program: a row a preset, then one for what is paid once and each month besides."""
    for name, fields in PRESETS.items():
        yield {
            "preset": name,
            "fields": len(fields),
            "signals_a_month": signals_a_month(fields),
            "dollars_a_month": round(dollars_a_month(fields), 2),
        }
    yield {
        "assumptions": ASSUMPTIONS,
        "signals_a_dollar": SIGNALS_PER_DOLLAR,
        "credit_a_month": MONTHLY_CREDIT,
        "setup_calls": CALLS_OF_A_SETUP,
        "second_run_calls": CALLS_OF_A_LOOK,
        "calls_a_dollar": DATA_CALLS_PER_DOLLAR,
    }


def cost_lines() -> Iterator[str]:
    """Lines for a terminal."""
    yield f"Tesla bills signals: {SIGNALS_PER_DOLLAR:,} for $1, less ${MONTHLY_CREDIT} credit a month and account; estimated for"
    yield f"{ASSUMPTIONS}."
    yield ""
    for name, fields in PRESETS.items():
        signals, dollars = signals_a_month(fields), dollars_a_month(fields)
        yield f"  {name:<12} {len(fields):>3} fields   about {signals:>9,} signals   ${dollars:.2f} a month and car"
    yield ""
    once, again = CALLS_OF_A_SETUP / DATA_CALLS_PER_DOLLAR, CALLS_OF_A_LOOK / DATA_CALLS_PER_DOLLAR
    yield f"A set-up makes about {CALLS_OF_A_SETUP} calls (${once:.2f}), a second run about {CALLS_OF_A_LOOK} (${again:.2f})."
    yield "At the account's limit Tesla deletes every config; without a payment method the limit is the credit."
    yield "Fly.io: about $2 a month for the IPv4 address, $3 for the Machine and $0.15 for the volume."
