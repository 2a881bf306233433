# The chain as Make stages: each target is the file that its stage makes.
#
# A recipe's Makefile sets the texts below, then includes this file. All are overridable on the
# command line: `make TARGET=fr`, `make OPTIONS='--set training.budget=2m'`.
#
#   SOURCE, TARGET        names of the languages, as in file names
#   TRAIN_SOURCE ...      raw text, plain or .gz or .xz
#   CONFIG                settings of all stages; OPTIONS overrides single ones
#   WORK                  folder of everything that is made
#   EARLIER               stamps of stages of the recipe's own, which come before these
#
# A stage is done again when the content of its inputs or the value of its settings has changed,
# not when a file was merely touched: stamps hold hashes of the one and the other, and what a stage
# has made is an input of the next by its hash too. A stage's output takes its name only when it is
# complete, so that make can be interrupted anywhere and repeated; training goes on from its last
# checkpoint. `make -n` says what would be done.

.DELETE_ON_ERROR:
.SUFFIXES:
# Asked before flags of our own are added: the first word has the short ones, or is a dash alone.
DRY := $(findstring n,$(firstword -$(MAKEFLAGS)))
MAKEFLAGS += --no-builtin-rules
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all

HERE := $(dir $(lastword $(MAKEFILE_LIST)))
ROOT := $(HERE)..
include $(HERE)environment.mk

CONFIG ?= config.toml
OPTIONS ?=
WORK ?= out/$(SOURCE)-$(TARGET)
RUN := $(WORK)/run
WITH = --config $(CONFIG) $(OPTIONS)
TRANSLATING ?=
STAMP ?= $(ENVIRONMENT)/bin/python -m nmt.stamps
BEST := $(RUN)/best/model.safetensors $(RUN)/best/config.toml

.PHONY: all help segment encode train translate evaluate clean FORCE

all: evaluate ## all stages, to the score of the test set
segment: $(WORK)/joint.model ## learn the subword segmenter
encode: $(WORK)/corpus/corpus.json ## encode the training text
train: $(RUN)/finished.json ## train, or go on with a training that was interrupted
translate: $(WORK)/test.hypothesis.$(TARGET) ## translate the test set
evaluate: $(WORK)/score.txt ## score the translations
	@cat $<
clean: ## remove all that was made
	rm -rf $(WORK)
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 14

FORCE:

# stamp NAME, FILES, SECTIONS: a file that changes when the content of the files or the settings do.
# A dry run asks whether it would, and takes all that comes after the first change for changed.
renew = $(STAMP) $(WORK)/$(1).stamp --files "$(2)" --sections "$(3)"
define lasting
$(WORK)/$(1).stamp: FORCE $(2) | $(INSTALLED)
	@$$(call renew,$(1),$(2),$(3)) -- $$(NMT) settings $$(WITH)
endef
define fleeting
CHANGED := $$(or $$(CHANGED),$$(shell $$(call renew,$(1),$(2),$(3)) --dry-run -- $$(NMT) settings $$(WITH) || echo all))
$(WORK)/$(1).stamp: $$(if $$(CHANGED),FORCE) | $(2) ;
endef
stamp = $(if $(DRY),$(call fleeting,$(1),$(2),$(3)),$(call lasting,$(1),$(2),$(3)))
CHANGED := $(if $(wildcard $(INSTALLED)),,all)
$(eval $(EARLIER))
$(eval $(call stamp,segment,$(TRAIN_SOURCE) $(TRAIN_TARGET),segment))
$(eval $(call stamp,encode,$(TRAIN_SOURCE) $(TRAIN_TARGET) $(WORK)/joint.model,encode))
$(eval $(call stamp,train,$(DEV_SOURCE) $(DEV_TARGET) $(WORK)/corpus/corpus.json,data model attention training compute))
$(eval $(call stamp,translate,$(TEST_SOURCE) $(BEST),search compute))
$(eval $(call stamp,score,$(TEST_TARGET) $(WORK)/test.hypothesis.$(TARGET),score))

$(WORK)/joint.model: $(WORK)/segment.stamp
	$(NMT) segment learn $(TRAIN_SOURCE) $(TRAIN_TARGET) $(WITH) --output $@

$(WORK)/corpus/corpus.json: $(WORK)/encode.stamp
	$(NMT) encode $(TRAIN_SOURCE) $(TRAIN_TARGET) $(WITH) --model $(WORK)/joint.model --output $(@D)

$(RUN)/finished.json: $(WORK)/train.stamp
	$(NMT) train $(WITH) --train $(WORK)/corpus --dev-source $(DEV_SOURCE) \
		--dev-target $(DEV_TARGET) --output $(RUN) --existing auto
	touch $@

$(BEST): $(RUN)/finished.json ;

$(WORK)/test.hypothesis.$(TARGET): $(WORK)/translate.stamp
	$(NMT) translate $(RUN) $(TEST_SOURCE) $(WITH) $(TRANSLATING) --output $@

$(WORK)/score.txt: $(WORK)/score.stamp
	$(NMT) score $(WORK)/test.hypothesis.$(TARGET) --ref $(TEST_TARGET) $(WITH) --output $@
