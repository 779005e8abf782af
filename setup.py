"""Build the distribution ``plone.recipe.zope2instance``."""

from pathlib import Path

from setuptools import find_namespace_packages, setup

HERE = Path(__file__).parent


def long_description() -> str:
    return "\n\n".join((HERE / name).read_text(encoding="utf-8") for name in ("README.rst", "CHANGES.rst"))


setup(
    name="plone.recipe.zope2instance",
    version="10.0.0",
    description="A zc.buildout recipe that makes and runs a Zope or Plone instance",
    long_description=long_description(),
    long_description_content_type="text/x-rst",
    author="The contributors of this re-implementation",
    license="ZPL-2.1",
    license_files=["LICENSE.txt"],
    keywords=["buildout", "zope", "plone", "wsgi", "deployment"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Web Environment",
        "Framework :: Buildout :: Recipe",
        "Framework :: Plone",
        "Framework :: Zope :: 5",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Internet :: WWW/HTTP :: WSGI :: Server",
        "Topic :: System :: Installation/Setup",
        "Typing :: Typed",
    ],
    package_dir={"": "src"},
    packages=find_namespace_packages("src", include=["recipe*", "plone*"]),
    package_data={"recipe": ["py.typed", "templates/*"]},
    zip_safe=False,
    python_requires=">=3.10",
    # What the recipe needs inside buildout, which resolves it on every run: none of these requires much itself.
    # A requirement whose inner parts are overridden or used (tests/test_overrides.py) has an upper bound, here and in
    # the extras: the next feature release, or the next major one if it says that these parts are an interface.
    install_requires=[
        "AuthEncoding[bcrypt]",
        "Jinja2",
        "waitress >= 3, < 3.1",
        "zc.buildout >= 4",
        "zc.recipe.egg",
        "ZConfig",
    ],
    extras_require={
        "bjoern": ["bjoern >= 3.2, < 3.3"],
        "cheroot": ["cheroot >= 10, < 11.2"],
        "granian": ["granian >= 2.8, < 2.9"],
        # Earlier releases lose requests on persistent connections when they stop
        "gunicorn": ["gunicorn >= 27.0.1, < 27.1"],
        # What an instance runs with; the recipe adds it to each part's eggs
        "instance": [
            "Paste",
            "PasteDeploy < 4",
            "python-dotenv",
            "ZEO < 7",
            "ZODB",
            "Zope >= 5.13",
        ],
        "json": ["python-json-logger >= 3.1, < 5"],
        "profile": ["repoze.profile"],
        # recipe.wsgi.servers.pyruvate works around the bugs of these releases
        "pyruvate": ["pyruvate >= 1.6.1, < 1.7"],
        "relstorage": ["RelStorage"],
        "sentry": ["sentry-sdk >= 2"],
        "uwsgi": ["pyuwsgi >= 2.0.30, < 2.1"],
        "werkzeug": ["Werkzeug >= 3, < 4"],
    },
    entry_points={
        "zc.buildout": ["default = plone.recipe.zope2instance.recipe:Recipe"],
        "zc.buildout.uninstall": ["default = recipe.buildout:uninstall"],
        # One for each server of recipe.common.servers
        "paste.server_factory": [
            "main = recipe.wsgi.servers.waitress:server_factory",
            "bjoern = recipe.wsgi.servers.bjoern:server_factory",
            "cheroot = recipe.wsgi.servers.cheroot:server_factory",
            "granian = recipe.wsgi.servers.granian:server_factory",
            "gunicorn = recipe.wsgi.servers.gunicorn:server_factory",
            "pyruvate = recipe.wsgi.servers.pyruvate:server_factory",
            "uwsgi = recipe.wsgi.servers.uwsgi:server_factory",
            "werkzeug = recipe.wsgi.servers.werkzeug:server_factory",
        ],
        "paste.server_runner": [
            "main = recipe.wsgi.servers.waitress:serve",
            "bjoern = recipe.wsgi.servers.bjoern:serve",
            "cheroot = recipe.wsgi.servers.cheroot:serve",
            "granian = recipe.wsgi.servers.granian:serve",
            "gunicorn = recipe.wsgi.servers.gunicorn:serve",
            "pyruvate = recipe.wsgi.servers.pyruvate:serve",
            "uwsgi = recipe.wsgi.servers.uwsgi:serve",
            "werkzeug = recipe.wsgi.servers.werkzeug:serve",
        ],
        "paste.filter_factory": [
            "sentry = recipe.wsgi.sentry:filter_factory",
            "translogger = recipe.wsgi.logs.accesslog:filter_factory",
        ],
    },
)
