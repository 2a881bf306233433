"""`nmt attention`: the group of commands about attention itself."""

import click

from nmt.cli.group import LazyGroup

COMMANDS = {
    "list": ("List the named variants, with their cost and the kernel that would run here.",
             "nmt.cli.attention_list:list_"),
    "describe": ("Explain one variant: formula, paper, settings, kernels.",
                 "nmt.cli.attention_describe:describe"),
    "bench": ("Measure time, memory and growth with length, beside multi-head attention.",
              "nmt.cli.attention_bench:bench"),
    "compare": ("Train the same model with several variants and compare quality and cost.",
                "nmt.cli.attention_compare:compare"),
    "check": ("Check a mechanism against the contract, one of your own included.",
              "nmt.cli.attention_check:check"),
    "plot": ("Draw what a model attends to in a pair of lines.",
             "nmt.cli.attention_plot:plot"),
    "convert": ("Turn a model's attention into another variant, to be fine-tuned.",
                "nmt.cli.attention_convert:convert"),
    "prune": ("Remove heads that a model hardly needs.",
              "nmt.cli.attention_prune:prune"),
}  # fmt: skip


@click.group(cls=LazyGroup, table=COMMANDS)
def attention() -> None:
    """Choose, measure, compare and check attention."""
