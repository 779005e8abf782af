# make run    build examples/basic and serve it on http://localhost:8080
# make test   install what the tests need, and run most of them
# make help   the rest

# Any Python from 3.10 on, the default one first. It has to run: a name alone says little (pyenv's
# shims are there for versions that are not chosen), and Debian ships venv apart from python3.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.10; do \
	"$$python" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
	&& { echo "$$python"; break; }; done)
PORT ?= 8080
# More to tell pytest: make test ARGS="-k storage -x"
ARGS ?=
# Test processes: two for each core, since a test waits half of its time.
JOBS ?= $(shell expr 2 \* $$(getconf _NPROCESSORS_ONLN))
# What test-pythons runs with, besides the default one: versions (from the path, or from pyenv), or programs.
PYTHONS ?= 3.10 3.12 3.13

RUN_VENV := .cache/run
VENV := .venv
EXAMPLE := examples/basic
STAMP := $(VENV)/installed
APT_GET := $(shell command -v apt-get)

.PHONY: help run test test-all test-pythons lint types docs options format test-plone bench clean debian-packages python
.DEFAULT_GOAL := help

help:
	@echo 'make run         build $(EXAMPLE) and serve it on http://localhost:$(PORT) (PORT=...)'
	@echo 'make test        install what the tests need, and run them (ARGS=..., JOBS=...); of the WSGI servers'
	@echo '                 waitress, gunicorn and granian'
	@echo 'make test-all    run all tests: those of the other five WSGI servers, too'
	@echo 'make test-pythons  build, serve, control and rebuild an instance with other Pythons'
	@echo '                 (PYTHONS="$(PYTHONS)"; 3.10 with Zope 5.13)'
	@echo 'make lint        ruff: style, and whether the code is formatted'
	@echo 'make format      ruff: format the code'
	@echo 'make types       mypy'
	@echo 'make options     write docs/options.rst and which-server-table.txt'
	@echo 'make docs        Sphinx, warnings are errors: docs/_build/html/index.html'
	@echo 'make test-plone  build Plone and see whether it serves (slow)'
	@echo 'make bench       measure, beside 9.1.0, for docs/performance (two hours; ARGS=--quick to try)'
	@echo 'make clean       remove all that was made here (also the data of the examples)'

python:
	@test -n "$(PYTHON)" || { echo 'This needs Python 3.10 or newer, with its venv module' \
		'(Debian, Ubuntu: apt-get install python3 python3-venv).' >&2; exit 1; }

# --- run --------------------------------------------------------------------------------------

# A range that is known to work, not one version: this is what a user would write.
$(RUN_VENV)/bin/buildout: | python
	@echo 'Making a virtualenv with zc.buildout in $(RUN_VENV) ...'
	@$(PYTHON) -m venv $(RUN_VENV)
	@$(RUN_VENV)/bin/python -m pip install -qq --disable-pip-version-check \
		'zc.buildout >= 6, < 7'

# Ctrl-C reaches make, the shell and the server at once. The shell waits for the server with a
# trap of its own and ends well, or make would report an error where there is none.
run: $(RUN_VENV)/bin/buildout
	@echo 'Building $(EXAMPLE), for the first time this takes a minute or two ...'
	@cd $(EXAMPLE) && PYTHONWARNINGS='ignore:Module zc was already imported' \
		$(CURDIR)/$(RUN_VENV)/bin/buildout -q instance:http-address=localhost:$(PORT)
	@echo
	@echo 'Zope starts, Ctrl-C ends it.'
	@echo '  address  http://localhost:$(PORT)/  (management: http://localhost:$(PORT)/manage)'
	@echo '  login    admin, password admin'
	@echo '  data     $(CURDIR)/$(EXAMPLE)/var/filestorage/Data.fs, blobs in var/blobstorage'
	@echo '  logs     $(CURDIR)/$(EXAMPLE)/var/log/instance.log, instance-access.log'
	@echo
	@cd $(EXAMPLE) && trap 'exit 0' INT && bin/instance fg

# --- test -------------------------------------------------------------------------------------

# What is compiled (bjoern, mysqlclient) wants headers. The tests start all servers
# themselves; the packages ending in -core bring no service of the system. graphviz draws the
# pictures of the documentation.
DEBIAN_PACKAGES := build-essential pkg-config libev-dev libmariadb-dev \
	postgresql mariadb-server-core mariadb-client-core haproxy nginx-light varnish chromium graphviz
debian-packages:
	@dpkg -s $(DEBIAN_PACKAGES) > /dev/null 2>&1 || { test -n "$(APT_GET)" && test "$$(id -u)" = 0 && \
		apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(DEBIAN_PACKAGES); } || \
		echo 'The tests need $(DEBIAN_PACKAGES), which only root can install.' >&2

PYTEST := $(VENV)/bin/pytest --numprocesses=$(JOBS) --dist=worksteal
PIP_INSTALL := $(VENV)/bin/python -m pip install -qq --disable-pip-version-check -c $(VENV)/constraints.txt
EXTRAS := instance json profile sentry
SERVERS := bjoern cheroot granian gunicorn pyruvate uwsgi werkzeug
comma := ,
space := $(subst ,, )

$(STAMP): requirements-test.txt setup.py pyproject.toml tests/constraints.py tests/versions.cfg \
		examples/basic/versions.cfg examples/cluster/versions.cfg | python debian-packages
	@echo 'Making a virtualenv for the tests in $(VENV) ...'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python tests/constraints.py $(VENV)/constraints.txt
	@$(PIP_INSTALL) -r requirements-test.txt -e '.[$(subst $(space),$(comma),$(EXTRAS) $(SERVERS))]' || { \
		$(PIP_INSTALL) -r requirements-test.txt -e '.[$(subst $(space),$(comma),$(EXTRAS))]' && \
		for server in $(SERVERS); do $(PIP_INSTALL) -e ".[$$server]" || \
			echo "$$server cannot be installed: its tests will fail." >&2; done; }
	@touch $@

test: $(STAMP) debian-packages
	@$(PYTEST) -m 'not other_server' $(ARGS)

test-all: $(STAMP) debian-packages
	@$(PYTEST) $(ARGS)

# Two at a time: while one installs eggs, which takes one core, the other one does something else.
test-pythons: debian-packages
	@$(MAKE) --no-print-directory --keep-going --output-sync --jobs=2 $(PYTHONS:%=test-python/%)

# With what this selection needs, and the eggs of the first topic.
SELECTION := pythons render options zconfig inifile address wsgi_servers
test-python/%:
	@set -e; for python in python$* \
		$$(ls -d $$(pyenv root 2>/dev/null || echo ~/.pyenv)/versions/$*.*/bin/python 2>/dev/null | sort -rV) $*; do \
		"$$python" -c 'import ensurepip' 2>/dev/null && found=$$python && break; done; \
	test -n "$$found" || { echo "Python $* is not here, or has no ensurepip. Install it, or set PYTHONS." >&2; exit 1; }; \
	export RECIPE_TEST_TOPICS= $(if $(filter %3.10,$*),RECIPE_TEST_ZOPE=5); \
	venv=.cache/python-$(subst /,-,$*); \
	test -x $$venv/bin/python || "$$found" -m venv $$venv; \
	$$venv/bin/python tests/constraints.py $$venv/constraints.txt; \
	$$venv/bin/python -m pip install -qq --disable-pip-version-check -c $$venv/constraints.txt \
		-c requirements-test.txt hypothesis pytest pytest-timeout pytest-xdist -e '.[instance,json,profile,sentry]'; \
	echo "Python $*:"; \
	$$venv/bin/python -m pytest --quiet --numprocesses=2 -m 'not one_python' $(SELECTION:%=tests/test_%.py) $(ARGS)

# The tests of the servers with the newest releases of these that pip finds, whatever setup.py allows.
.PHONY: test-newest
NEWEST := .cache/newest
test-newest: debian-packages | python
	@test -x $(NEWEST)/bin/python || $(PYTHON) -m venv $(NEWEST)
	@$(NEWEST)/bin/python tests/constraints.py $(NEWEST)/constraints.txt
	@$(NEWEST)/bin/python -m pip install -qq --disable-pip-version-check -c $(NEWEST)/constraints.txt \
		-r requirements-test.txt -e '.[bjoern,cheroot,granian,gunicorn,instance,json,pyruvate,sentry,uwsgi,werkzeug]'
	@$(NEWEST)/bin/python -m pip install --upgrade --disable-pip-version-check \
		bjoern cheroot granian gunicorn pyruvate pyuwsgi waitress Werkzeug ZEO PasteDeploy python-json-logger
	@$(NEWEST)/bin/pytest --numprocesses=$(JOBS) tests/test_overrides.py tests/test_wsgi_servers.py \
		tests/test_embedded_servers.py tests/test_gunicorn.py tests/test_pyruvate.py tests/test_server_stop.py \
		tests/test_waitress_settings.py tests/test_jsonlog.py $(ARGS)

lint: $(STAMP)
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check

format: $(STAMP)
	@$(VENV)/bin/ruff check --fix
	@$(VENV)/bin/ruff format

types: $(STAMP)
	@$(VENV)/bin/mypy

options: $(STAMP)
	@$(VENV)/bin/python -m recipe.reference.options > docs/options.rst
	@$(VENV)/bin/python -m recipe.reference.servers > docs/which-server-table.txt

docs: $(STAMP) debian-packages
	@$(VENV)/bin/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo 'docs/_build/html/index.html'

test-plone: $(STAMP)
	@$(VENV)/bin/pytest -s tests/with_plone $(ARGS)

# On a machine that does nothing else. wrk asks the servers.
bench: DEBIAN_PACKAGES += wrk
bench: $(STAMP) debian-packages
	@$(VENV)/bin/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) .cache .tox .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist \
		docs/_build src/*.egg-info
	find src tests examples -name __pycache__ -type d -prune -exec rm -rf {} +
	cd examples && rm -rf */bin */develop-eggs */eggs */parts */var */.installed.cfg \
		*/include */lib */lib64 */pyvenv.cfg
