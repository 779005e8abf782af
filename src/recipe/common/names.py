"""Names that several packages use: of files, of an environment variable, of the distribution."""

#: The name of the distribution.
RECIPE = "plone.recipe.zope2instance"

#: The file in ``etc`` of a part with the facts for the control script. If it exists, the instance is complete.
FACTS = "instance.json"

#: The file in ``etc`` with a fingerprint of what the part was made from. It never belongs to the server's user, since
#: buildout, which may run as root, trusts it.
FINGERPRINT = "fingerprint.json"

#: The file in ``etc`` with the renames that are not complete yet.
JOURNAL = ".journal.json"

#: The socket of the daemon manager, in the client home.
SOCKET = "zopectlsock"

#: The environment variable that holds the buildout directory, for files with paths relative to it.
DIRECTORY_VARIABLE = "BUILDOUT_DIRECTORY"

#: The default of the graceful timeout, in seconds.
GRACEFUL_TIMEOUT = 30.0

#: Seconds after the graceful timeout in which a server can close its databases.
CLOSING = 30.0

#: The default pipeline. Other parts of a buildout may read it, so a part sets it before its options are read.
PIPELINE = ("translogger", "egg:Zope#httpexceptions", "zope")
