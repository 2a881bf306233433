# The chain as Make stages: each target is the file that its stage makes.
#
# A recipe's Makefile sets the texts below, then includes this file. All are overridable on the
# command line: `make TARGET=fr`, `make OPTIONS='--set training.budget=2m'`.
#
#   SOURCE, TARGET        names of the languages, as in file names
#   TRAIN_SOURCE ...      raw text, plain or .gz or .xz
#   CONFIG                settings of all stages; OPTIONS overrides single ones
#   WORK                  folder of everything that is made
#
# A stage is done again when the content of its inputs or the value of its settings has changed,
# not when a file was merely touched: stamps hold a hash of both. A stage's output takes its name
# only when it is complete, so that make can be interrupted anywhere and repeated; training goes
# on from its last checkpoint.

.DELETE_ON_ERROR:
.SUFFIXES:
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
ASK = $(NMT) settings --config $(CONFIG) $(OPTIONS)
WITH = --config $(CONFIG) $(OPTIONS)

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

$(WORK):
	@mkdir -p $@

# stamp NAME, FILES, SECTIONS: a file that changes when the content of the files or the settings do.
define stamp
$(WORK)/$(1).stamp: FORCE $(2) | $(WORK) $(INSTALLED)
	@{ cat -- $(2); $$(ASK) $(foreach section,$(3),--section $(section)); } | sha256sum > $$@.new
	@if cmp -s $$@.new $$@; then rm $$@.new; else mv $$@.new $$@; fi
endef
$(eval $(call stamp,segment,$(TRAIN_SOURCE) $(TRAIN_TARGET),segment))
$(eval $(call stamp,encode,$(TRAIN_SOURCE) $(TRAIN_TARGET),encode))
$(eval $(call stamp,train,$(DEV_SOURCE) $(DEV_TARGET),data model attention training search score compute))
$(eval $(call stamp,translate,$(TEST_SOURCE),search))
$(eval $(call stamp,score,$(TEST_TARGET),score))

$(WORK)/joint.model: $(WORK)/segment.stamp
	$(NMT) segment learn $(TRAIN_SOURCE) $(TRAIN_TARGET) $(WITH) --output $@

$(WORK)/corpus/corpus.json: $(WORK)/encode.stamp $(WORK)/joint.model
	$(NMT) encode $(TRAIN_SOURCE) $(TRAIN_TARGET) $(WITH) --model $(WORK)/joint.model --output $(@D)

$(RUN)/finished.json: $(WORK)/train.stamp $(WORK)/corpus/corpus.json
	$(NMT) train $(WITH) --train $(WORK)/corpus --dev-source $(DEV_SOURCE) \
		--dev-target $(DEV_TARGET) --output $(RUN) --existing auto
	touch $@

$(WORK)/test.hypothesis.$(TARGET): $(WORK)/translate.stamp $(RUN)/finished.json
	$(NMT) translate $(RUN) $(TEST_SOURCE) $(WITH) --output $@

$(WORK)/score.txt: $(WORK)/score.stamp $(WORK)/test.hypothesis.$(TARGET)
	$(NMT) score $(WORK)/test.hypothesis.$(TARGET) --ref $(TEST_TARGET) $(WITH) --output $@
