"""Which positions of a stack share one layer's weights."""


def assignment(layers: int, distinct: int, how: str) -> list[int]:
    """Give the number of the distinct layer at each position of the stack.

    "sequence" puts copies side by side, "cycle" repeats the stack, and "cycle-reverse" runs the
    last round backwards, so that the first layer is the last as well.

    Source: Takase and Kiyono (2021), https://arxiv.org/abs/2104.06022, section 2 and figure 1;
    one distinct layer: Dehghani et al. (2019), https://arxiv.org/abs/1807.03819.
    """
    distinct = distinct or layers
    if how == "sequence":
        return [position * distinct // layers for position in range(layers)]
    cycle = [position % distinct for position in range(layers)]
    if how == "cycle" or distinct == layers:
        return cycle
    last = layers - ((layers - 1) % distinct + 1)  # where the last round begins
    return cycle[:last] + [distinct - 1 - number for number in cycle[last:]]
