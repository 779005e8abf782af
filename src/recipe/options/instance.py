"""Where the instance lies, how Zope is set up, and which scripts are made."""

import os
from dataclasses import dataclass
from typing import ClassVar

from recipe.options import kinds
from recipe.options.declare import Applies, Into, option


@dataclass(frozen=True)
class Layout:
    """Directories and files of the instance, all absolute."""

    var: str = option("var", kinds.FILE_IN_DIRECTORY, "The base of all data and logs.", "{directory}/var")
    client_home: str = option(
        "client-home",
        kinds.FILE_IN_DIRECTORY,
        "Zope's CLIENTHOME, a directory for run-time files.",
        "{var}/{name}",
        into=(Into.ZOPE_CONF, Into.FACTS),
    )
    import_directory: str = option(
        "import-directory",
        kinds.FILE_IN_DIRECTORY,
        "A directory for ``.zexp`` files to import; created. Zope looks into ``CLIENTHOME/import`` only.",
        "{client_home}/import",
    )
    pid_file: str = option(
        "pid-file",
        kinds.FILE_IN_DIRECTORY,
        "Where the server writes its process id.",
        "{var}/{name}.pid",
        into=(Into.ZOPE_CONF, Into.FACTS),
    )
    lock_file: str = option(
        "lock-file",
        kinds.FILE_IN_DIRECTORY,
        "The lock file of ZServer.",
        "{var}/{name}.lock",
        into=(Into.ZOPE_CONF,),
        applies=Applies.ZSERVER,
    )
    zope_conf: str | None = option(
        "zope-conf",
        kinds.FILE_IN_DIRECTORY,
        "A hand-made ``zope.conf`` to use: none is generated, and the options that would go into it do nothing.",
    )


@dataclass(frozen=True)
class Zope:
    """What goes to zope.conf beside the databases."""

    INTO: ClassVar = (Into.ZOPE_CONF,)

    debug_mode: bool = option("debug-mode", kinds.BOOLEAN, "Zope's debug mode; ``fg`` always has it on.", "off")
    debug_exceptions: bool | None = option(
        "debug-exceptions",
        kinds.BOOLEAN,
        "Let exceptions through to the WSGI pipeline instead of rendering an error page, for a debugger there.",
        applies=Applies.WSGI,
        instead="debug-mode",
    )
    verbose_security: bool = option(
        "verbose-security",
        kinds.BOOLEAN,
        "Say in the event log why access was denied; selects the Python security policy.",
        "off",
    )
    encoding: str = option(
        "default-zpublisher-encoding", kinds.WORD, "The character set of requests and responses.", "utf-8"
    )
    environment_vars: str = option(
        "environment-vars",
        kinds.TEXT,
        "Environment variables: ``KEY value``, one a line. Several on one line are read as alternating words.",
        "",
    )
    template_cache: bool | str = option(
        "template-cache",
        kinds.PATH_OR_BOOLEAN,
        "Where Chameleon keeps compiled templates: on is ``VAR/cache``, off is nowhere, else a directory. "
        "A ``CHAMELEON_CACHE`` in ``environment-vars`` wins.",
        "on",
    )
    python_check_interval: int = option(
        "python-check-interval", kinds.INTEGER, "Passed on to Zope; it does nothing on Python 3.", "1000"
    )
    imports: tuple[str, ...] = option(
        "zope-conf-imports", kinds.WORDS, "Packages whose ZConfig components zope.conf imports.", ""
    )
    additional: str = option("zope-conf-additional", kinds.TEXT, "Lines appended to zope.conf.", "")
    products: tuple[str, ...] = option(
        "products",
        kinds.PATHS,
        "Directories with old-style products, one a line.",
        "",
        applies=Applies.ZSERVER,
        instead="eggs: a product is an egg under WSGI",
    )
    deprecation_warnings: str | None = option(
        "deprecation-warnings",
        kinds.WARNINGS,
        "Show Python's deprecation warnings (on), suppress them (off), or what else Python does with a warning: "
        "``error``, ``once`` and so on.",
        into=(Into.FACTS,),
    )


@dataclass(frozen=True)
class Scripts:
    """The scripts that are generated, and what stands in them."""

    INTO: ClassVar = (Into.SCRIPTS,)

    eggs: tuple[str, ...] = option(
        "eggs", kinds.LINES, "Distributions on the instance's path, one a line; the recipe's own is added.", ""
    )
    user: tuple[str, str] | None = option(
        "user",
        kinds.USER,
        "``name:password`` of the first Manager, written (hashed) to ``LOC/inituser`` on first install. "
        "Without it the recipe asks, where there is a terminal.",
        secret=True,
        into=(),
    )
    control_script: str = option(
        "control-script", kinds.FILE_NAME, "The name of the control script in ``bin``.", "{name}"
    )
    scripts: str | None = option(
        "scripts",
        kinds.TEXT,
        "The scripts of ``eggs`` to make, as in zc.recipe.egg. Left out: all. Given but empty: none.",
        applies=Applies.WSGI,
        instead="those in the bin directory of zserver-python",
        keep_empty=True,
    )
    initialization: str = option(
        "initialization",
        kinds.TEXT,
        "Python lines run at the start of the generated scripts; ``%(option)s`` stands for an option of the part.",
        "",
    )
    extra_paths: tuple[str, ...] = option(
        "extra-paths", kinds.PATHS, "Directories put on the path of the scripts, one a line.", ""
    )
    relative_paths: bool | None = option(
        "relative-paths",
        kinds.BOOLEAN,
        "Write all paths inside the buildout relative to it, so that the whole tree can be moved. "
        "Left out: as in ``[buildout]``.",
        into=(),
    )
    link_eggs: bool = option(
        "link-eggs",
        kinds.BOOLEAN,
        "Put one directory of links to the eggs, ``LOC/lib``, on the path of the scripts in place of the eggs: the "
        "instance starts faster. Off on Windows, where links need a privilege. See :doc:`how-to/link-eggs`.",
        "off" if os.name == "nt" else "on",
        applies=Applies.WSGI,
    )
    include_site_packages: bool | None = option(
        "include-site-packages", kinds.BOOLEAN, "As in zc.recipe.egg, where it does nothing since zc.buildout 2."
    )
    dependent_scripts: bool | None = option(
        "dependent-scripts",
        kinds.BOOLEAN,
        "Make the scripts of all distributions ``eggs`` depend on, too.",
        applies=Applies.WSGI,
    )
    entry_points: tuple[str, ...] = option(
        "entry-points",
        kinds.ENTRY_POINTS,
        "Further scripts, ``name=module:function``, as in zc.recipe.egg.",
        "",
        applies=Applies.WSGI,
    )
    interpreter: str | None = option(
        "interpreter",
        kinds.WORD,
        "The name of a Python interpreter in ``bin`` with the part's path.",
        applies=Applies.WSGI,
        instead="zserver-python",
    )
    arguments: str | None = option(
        "arguments",
        kinds.TEXT,
        "Arguments of the generated scripts' functions, as in zc.recipe.egg.",
        applies=Applies.WSGI,
    )


@dataclass(frozen=True)
class Process:
    """The operating system's side of the server."""

    INTO: ClassVar = (Into.FACTS,)

    graceful_timeout: int | None = option(
        "graceful-timeout",
        kinds.NUMBER,
        "Seconds that requests under way get to finish when the server is told to stop. Left out: 30.",
        applies=Applies.WSGI,
        into=(Into.WSGI_INI, Into.FACTS),
    )
    umask: str | None = option("zopectl-umask", kinds.OCTAL, "The server's umask, octal.", into=(Into.SCRIPTS,))
    effective_user: str | None = option(
        "effective-user", kinds.WORD, "Started as root, the server binds its addresses and then becomes this user."
    )
