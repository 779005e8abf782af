"""Options of the directories of an instance, of Zope, of the generated scripts and of the process."""

import os
from dataclasses import dataclass
from typing import ClassVar

from recipe.options import kinds
from recipe.options.declare import Applies, Into, option


@dataclass(frozen=True)
class Layout:
    """The directories and files of the instance. A relative path is relative to the buildout directory."""

    var: str = option(
        "var",
        kinds.FILE_IN_DIRECTORY,
        "The directory that holds the data and the logs of the instance.",
        "{directory}/var",
    )
    client_home: str = option(
        "client-home",
        kinds.FILE_IN_DIRECTORY,
        "The directory for run-time files of the instance. Zope calls it ``CLIENTHOME``.",
        "{var}/{name}",
        into=(Into.ZOPE_CONF, Into.FACTS),
    )
    import_directory: str = option(
        "import-directory",
        kinds.FILE_IN_DIRECTORY,
        "A directory for ``.zexp`` files, which the recipe creates. Zope itself imports from ``CLIENTHOME/import`` "
        "only.",
        "{client_home}/import",
    )
    pid_file: str = option(
        "pid-file",
        kinds.FILE_IN_DIRECTORY,
        "The file to which the server writes its process id.",
        "{var}/{name}.pid",
        into=(Into.ZOPE_CONF, Into.FACTS),
    )
    lock_file: str = option(
        "lock-file",
        kinds.FILE_IN_DIRECTORY,
        "The file that ZServer locks while it runs.",
        "{var}/{name}.lock",
        applies=Applies.ZSERVER,
        into=(Into.ZOPE_CONF,),
    )
    zope_conf: str | None = option(
        "zope-conf",
        kinds.FILE_IN_DIRECTORY,
        "The path of a ``zope.conf`` of your own. The recipe then generates no ``zope.conf``, and the options that "
        "are written to it do nothing.",
    )


@dataclass(frozen=True)
class Zope:
    """Settings of Zope in ``zope.conf``, except those of the database, which are listed under Storage."""

    INTO: ClassVar = (Into.ZOPE_CONF,)

    debug_mode: bool = option(
        "debug-mode",
        kinds.BOOLEAN,
        "Switches on Zope's debug mode, for development. The command ``fg`` always switches it on.",
        "off",
    )
    debug_exceptions: bool | None = option(
        "debug-exceptions",
        kinds.BOOLEAN,
        "Passes exceptions on to the WSGI pipeline instead of rendering an error page, so that a debugger in the "
        "pipeline can handle them.",
        applies=Applies.WSGI,
        instead="debug-mode",
    )
    verbose_security: bool = option(
        "verbose-security",
        kinds.BOOLEAN,
        "Writes to the event log why access was denied. This selects the security policy that is written in Python. "
        "Do not use it for public sites, because the messages reveal details of the site.",
        "off",
    )
    encoding: str = option(
        "default-zpublisher-encoding", kinds.ENCODING, "The character encoding of requests and responses.", "utf-8"
    )
    environment_vars: str = option(
        "environment-vars",
        kinds.TEXT,
        "Environment variables of the instance: one ``NAME value`` on each line. On a single line, names and values "
        "alternate.",
        "",
    )
    template_cache: bool | str = option(
        "template-cache",
        kinds.PATH_OR_BOOLEAN,
        "The directory in which Chameleon keeps compiled templates between restarts. ``on`` means ``VAR/cache``; "
        "``off`` switches this cache off. If ``environment-vars`` sets ``CHAMELEON_CACHE``, Zope uses that "
        "directory instead.",
        "on",
    )
    python_check_interval: int = option(
        "python-check-interval",
        kinds.INTEGER,
        "A number that the recipe writes to ``zope.conf``. It does nothing on Python 3.",
        "1000",
    )
    imports: tuple[str, ...] = option(
        "zope-conf-imports",
        kinds.WORDS,
        "Packages whose ZConfig components ``zope.conf`` imports, such as those that ``zope-conf-additional`` uses.",
        "",
    )
    additional: str = option(
        "zope-conf-additional",
        kinds.TEXT,
        "Lines to append to ``zope.conf``, for settings that have no option here.",
        "",
    )
    products: tuple[str, ...] = option(
        "products",
        kinds.PATHS,
        "Directories with old-style products, one on each line.",
        "",
        applies=Applies.ZSERVER,
        instead="eggs, since a product is an egg under WSGI",
    )
    deprecation_warnings: str | None = option(
        "deprecation-warnings",
        kinds.WARNINGS,
        "What Python does with deprecation warnings. ``on`` shows them and ``off`` suppresses them; the other values "
        "are the actions of Python's warnings filter. If left out, Python's defaults apply, but ``fg`` of a WSGI "
        "server shows all warnings.",
        into=(Into.FACTS,),
        zserver_into=(Into.ZOPE_CONF,),
    )


@dataclass(frozen=True)
class Scripts:
    """The distributions of the instance, and the scripts that the recipe generates."""

    INTO: ClassVar = (Into.SCRIPTS,)

    eggs: tuple[str, ...] = option(
        "eggs",
        kinds.LINES,
        "The distributions that the instance can import, one on each line. The recipe adds its own distribution.",
        "",
    )
    user: tuple[str, str] | None = option(
        "user",
        kinds.USER,
        "The name and the password of the first Manager, as ``name:password``. The recipe writes them to "
        "``LOC/inituser``, the password as a hash, when it first installs the part. If left out, the recipe asks for "
        "them in a terminal.",
        secret=True,
        into=(),
    )
    control_script: str = option(
        "control-script", kinds.FILE_NAME, "The name of the control script in ``bin``.", "{name}"
    )
    scripts: str | None = option(
        "scripts",
        kinds.TEXT,
        "The scripts of ``eggs`` to generate, as in zc.recipe.egg. If left out, the recipe generates all of them; if "
        "empty, it generates no scripts.",
        applies=Applies.WSGI,
        instead="those in the bin directory of zserver-python",
        keep_empty=True,
    )
    initialization: str = option(
        "initialization",
        kinds.TEXT,
        "Python code that the generated scripts run first. ``%(option)s`` is replaced with the value of that option "
        "of the part.",
        "",
    )
    extra_paths: tuple[str, ...] = option(
        "extra-paths", kinds.PATHS, "Directories to add to ``sys.path`` in the generated scripts, one on each line.", ""
    )
    relative_paths: bool | None = option(
        "relative-paths",
        kinds.BOOLEAN,
        "Writes every path inside the buildout directory relative to it, so that you can move the whole directory. "
        "If left out, the option of the same name in ``[buildout]`` applies.",
        into=(),
    )
    link_eggs: bool = option(
        "link-eggs",
        kinds.BOOLEAN,
        "Puts one directory with links to the eggs, ``LOC/lib``, on ``sys.path`` instead of the eggs, so that the "
        "instance starts faster. The default is ``off`` on Windows, where links need a privilege. See "
        ":doc:`how-to/link-eggs`.",
        "off" if os.name == "nt" else "on",
        applies=Applies.WSGI,
    )
    include_site_packages: bool | None = option(
        "include-site-packages", kinds.BOOLEAN, "An option of zc.recipe.egg. It does nothing since zc.buildout 2."
    )
    dependent_scripts: bool | None = option(
        "dependent-scripts",
        kinds.BOOLEAN,
        "Also generates the scripts of all distributions that those in ``eggs`` require. If left out, it does not.",
        applies=Applies.WSGI,
    )
    entry_points: tuple[str, ...] = option(
        "entry-points",
        kinds.ENTRY_POINTS,
        "Further scripts to generate, as ``name=module:function``, as in zc.recipe.egg.",
        "",
        applies=Applies.WSGI,
    )
    interpreter: str | None = option(
        "interpreter",
        kinds.WORD,
        "The name of a Python interpreter to generate in ``bin``, with the eggs of the part on its path. If left "
        "out, the recipe generates no interpreter.",
        applies=Applies.WSGI,
        instead="zserver-python",
    )
    arguments: str | None = option(
        "arguments",
        kinds.TEXT,
        "The arguments with which the generated scripts call their functions, as Python code, as in zc.recipe.egg.",
        applies=Applies.WSGI,
    )


@dataclass(frozen=True)
class Process:
    """How the process of the server runs."""

    INTO: ClassVar = (Into.FACTS,)

    graceful_timeout: int | None = option(
        "graceful-timeout",
        kinds.NUMBER,
        "The number of seconds that requests in progress have to finish when the server stops. If left out, it is 30.",
        applies=Applies.WSGI,
        into=(Into.WSGI_INI, Into.FACTS),
    )
    umask: str | None = option(
        "zopectl-umask",
        kinds.OCTAL,
        "The umask of the server, an octal number. If left out, the server keeps the umask of the process that "
        "starts it.",
        into=(Into.SCRIPTS,),
    )
    effective_user: str | None = option(
        "effective-user",
        kinds.WORD,
        "The user to which the server switches after it has bound its addresses, if it was started by root.",
    )
