"""What the C library is given, field by field as its sources declare it."""

import ctypes
from ctypes import POINTER, Structure, c_float, c_int32, c_void_p


class MatrixFields(Structure):
    """`Matrix` of products.h."""

    _fields_ = [
        ("packed", c_void_p),
        ("scale", c_void_p),
        ("middle", c_void_p),
        ("bias", c_void_p),
        ("inner", c_int32),
        ("columns", c_int32),
        ("kind", c_int32),
    ]


class NormFields(Structure):
    """`Norm` of layers.h."""

    _fields_ = [
        ("gain", c_void_p),
        ("shift", c_void_p),
        ("epsilon", c_float),
        ("centred", c_int32),
    ]


class AttentionFields(Structure):
    """`Attention` of layers.h."""

    _fields_ = [
        ("project", MatrixFields),
        ("output", MatrixFields),
        ("heads", c_int32),
        ("groups", c_int32),
        ("size", c_int32),
        ("rotary", c_int32),
        ("scale", c_float),
    ]


class FeedForwardFields(Structure):
    """`FeedForward` of layers.h."""

    _fields_ = [
        ("inner", MatrixFields),
        ("outer", MatrixFields),
        ("width", c_int32),
        ("gated", c_int32),
    ]


class LayerFields(Structure):
    """`Layer` of transformer.c; an encoder's has no cross-attention."""

    _fields_ = [
        ("own_norm", NormFields),
        ("cross_norm", NormFields),
        ("feed_norm", NormFields),
        ("own", AttentionFields),
        ("cross", AttentionFields),
        ("remember", MatrixFields),
        ("feed", FeedForwardFields),
    ]


class StackFields(Structure):
    """`Stack` of transformer.c."""

    _fields_ = [
        ("words", c_void_p),
        ("positions", c_void_p),
        ("angles", c_void_p),
        ("layers", POINTER(LayerFields)),
        ("last", NormFields),
        ("scale", c_float),
        ("count", c_int32),
        ("size", c_int32),
        ("widest", c_int32),
        ("head_size", c_int32),
        ("before", c_int32),
        ("vocabulary", c_int32),
        ("most", c_int32),
    ]


class StepFields(Structure):
    """`Step` of transformer.c."""

    _fields_ = [
        ("ids", c_void_p),
        ("parents", c_void_p),
        ("chosen", c_void_p),
        ("places", c_void_p),
        ("starts", c_void_p),
        ("past", c_void_p),
        ("ancestry", c_void_p),
        ("own", POINTER(c_void_p)),
        ("cross", POINTER(c_void_p)),
        ("sentences", c_int32),
        ("beam", c_int32),
        ("limit", c_int32),
        ("position", c_int32),
        ("rows", c_int32),
        ("longest", c_int32),
    ]


def declare(library: ctypes.CDLL) -> ctypes.CDLL:
    """Say what the functions of the library take and give."""
    number, pointer, stack = c_int32, c_void_p, POINTER(StackFields)
    matrix, pointers = POINTER(MatrixFields), POINTER(c_void_p)
    library.begin.argtypes = [stack, stack, pointer, number, pointer, number, pointers]
    library.take_step.argtypes = [stack, POINTER(StepFields), pointer]
    library.times.argtypes = [matrix, pointer, number, pointer]
    library.find_best.argtypes = [pointer, number, number, number, pointer, pointer]
    library.normalise_scores.argtypes = [pointer, number, number, pointer]
    for each in (library.times, library.find_best, library.normalise_scores):
        each.restype = None
    for each in (library.begin, library.take_step, library.panel_size, library.has_bytes):
        each.restype = number
    return library
