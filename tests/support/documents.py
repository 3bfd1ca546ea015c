"""How the documents write what the code holds."""


def shown(default: object) -> str:
    """A setting's default, in a table."""
    match default:
        case None | "" | b"" | () | frozenset():
            return "–"
        case bool():
            return f"`{default}`".lower()
        case tuple():
            return f"`{','.join(default)}`"
        case float():
            return f"`{default:g}`"
    return f"`{default}`"
