"""The default pipeline: other parts read it, so a part has it before its options are looked at."""

PIPELINE = ("translogger", "egg:Zope#httpexceptions", "zope")
