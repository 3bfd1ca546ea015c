"""`serve --help` with every setting, made from their rows when it is asked for: the other commands do not load them."""

from __future__ import annotations

import click


class ServeCommand(click.Command):
    """A command whose help ends with the table of settings."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from ..config import Settings
        from ..environment import rows
        from ..outputs import OUTPUTS, SharedSettings
        from ..outputs.settings import settings_class

        super().format_epilog(ctx, formatter)
        with formatter.section("Environment"):
            formatter.write_dl([(row.variable, f"{row.meaning} ({row.form})") for row in rows(Settings)])
        with formatter.section("Environment of all outputs"):
            formatter.write_dl([(row.variable, f"{row.meaning} ({row.form})") for row in rows(SharedSettings)])
        for output in OUTPUTS:
            with formatter.section(f"Environment of the output {output.name}"):
                formatter.write_dl([(row.variable, f"{row.meaning} ({row.form})") for row in rows(settings_class(output))])
