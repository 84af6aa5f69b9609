HELP = ""


def doctor() -> None: ...
