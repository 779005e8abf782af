"""Names that more than one side uses: of files, of a variable, of the distribution. Each stands here once."""

#: The distribution.
RECIPE = "plone.recipe.zope2instance"

#: In the directory ``etc`` of a part: what the control script must know (its presence marks a complete instance).
FACTS = "instance.json"

#: In ``etc``: what the part followed from when it was made. It is never given to the server's user, since buildout,
#: which may run as root, relies on it.
FINGERPRINT = "fingerprint.json"

#: In ``etc``: the renames that are under way.
JOURNAL = ".journal.json"

#: In the client home: the socket of the daemon manager.
SOCKET = "zopectlsock"

#: The environment variable with the buildout directory, for files whose paths are relative to it.
DIRECTORY_VARIABLE = "BUILDOUT_DIRECTORY"

#: The default pipeline: other parts of a buildout read it, so a part has it before its options are looked at.
PIPELINE = ("translogger", "egg:Zope#httpexceptions", "zope")
