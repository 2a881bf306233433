# The virtual environment that every Makefile here shares. $(ROOT) is the top of the checkout.

ENVIRONMENT := $(ROOT)/.venv
PYTHON ?= python3
NMT := $(ENVIRONMENT)/bin/nmt
INSTALLED := $(ENVIRONMENT)/.installed
INSTALLED_DEV := $(ENVIRONMENT)/.installed-dev
INSTALL = cd $(ROOT) && $(abspath $(ENVIRONMENT))/bin/python -m pip install --quiet \
	--disable-pip-version-check --constraint constraints.txt
PACKAGING := $(ROOT)/setup.cfg $(ROOT)/pyproject.toml $(ROOT)/constraints.txt

# What a fresh machine may lack is named before anything is made.
define CHECK_PYTHON
command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is missing: install Python 3.11 or newer (Debian: apt install python3), or name yours: make PYTHON=..." >&2; exit 1; }
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than 3.11: name a newer one: make PYTHON=..." >&2; exit 1; }
$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: Python's venv is missing: install it (Debian: apt install python3-venv)" >&2; exit 1; }
endef

$(INSTALLED): $(PACKAGING)
	@$(CHECK_PYTHON)
	@echo "installing nmt and what it needs into $(abspath $(ENVIRONMENT))" >&2
	test -x $(ENVIRONMENT)/bin/python || $(PYTHON) -m venv $(ENVIRONMENT)
	$(INSTALL) --editable .
	touch $@

$(INSTALLED_DEV): $(INSTALLED)
	$(INSTALL) --editable '.[dev]'
	touch $@
