"""Standard normal noise that an ONNX graph draws itself, for programs that hand over nothing but conditions.

ONNX's RandomNormal is not enough. Without a seed, ONNX Runtime starts each such node from one number per process plus
the node's place in the graph (observed with 1.32). All sessions of one file in a process therefore draw the same noise
in the same order, and a multithreaded Geant4, which opens a session in each worker thread, repeats its showers. The
node's generator (a 31-bit congruential one) also begins anew after 2^31 numbers, a few hundred thousand showers.

Here each call gets a key, and noise is a function of key and position, as in counter-based generators (Salmon et al.,
SC11, doi:10.1145/2063384.2063405): SplitMix64 (Steele et al., OOPSLA 2014, doi:10.1145/2660193.2660195) and the method
of Box and Muller. The key combines the mask of a Dropout node, whose seed is a counter that all sessions of a process
share, with numbers of a RandomUniform node, which differ from process to process. Both start from the clock. Only
``onnxruntime.set_seed`` before the session is opened, in Python, makes the noise repeatable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import onnx

GOLDEN: Final = 0x9E3779B97F4A7C15
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""The increment and the multipliers of SplitMix64."""


def noise_nodes(rows: str, noise: str, length: int) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Return the nodes and constants that draw ``noise`` (N, length) for a tensor ``rows`` (N, C) of a graph.

    The names of all other tensors begin with "drawn_". "drawn_key" is the key of a call, uint64.
    """
    from onnx import numpy_helper, parser

    text = f"""drawn ({rows}) => ({noise}) {{
        drawn_flat = Reshape({rows}, drawn_all)
        drawn_first = Gather <axis = 0> (drawn_flat, drawn_zero)
        drawn_many = Expand(drawn_first, drawn_64)
        drawn_dropped, drawn_mask = Dropout(drawn_many, drawn_half, drawn_yes)
        drawn_bits = Cast <to = 7> (drawn_mask)
        drawn_placed = Mul(drawn_bits, drawn_powers)
        drawn_call = ReduceSum <keepdims = 0> (drawn_placed)
        drawn_call_word = Cast <to = 13> (drawn_call)
        {_mixed("drawn_call_word", "drawn_call_mixed")}
        drawn_uniform = RandomUniform <shape = [2], low = 0.0, high = 16777216.0> ()
        drawn_parts = Cast <to = 7> (drawn_uniform)
        drawn_shifted = Mul(drawn_parts, drawn_shifts)
        drawn_session = ReduceSum <keepdims = 0> (drawn_shifted)
        drawn_call_whole = Cast <to = 7> (drawn_call_mixed)
        drawn_sum = Add(drawn_call_whole, drawn_session)
        drawn_sum_word = Cast <to = 13> (drawn_sum)
        {_mixed("drawn_sum_word", "drawn_key")}
        drawn_key_whole = Cast <to = 7> (drawn_key)

        drawn_events = Shape <start = 0, end = 1> ({rows})
        drawn_total = Mul(drawn_events, drawn_length)
        drawn_odd = Add(drawn_total, drawn_one)
        drawn_pairs = Div(drawn_odd, drawn_two)
        drawn_last = Squeeze(drawn_pairs)
        drawn_places = Range(drawn_from, drawn_last, drawn_step)
        drawn_strides = Mul(drawn_places, drawn_golden)
        drawn_counter = Add(drawn_strides, drawn_key_whole)
        drawn_counter_word = Cast <to = 13> (drawn_counter)
        {_mixed("drawn_counter_word", "drawn_words")}

        drawn_upper = BitShift <direction = "RIGHT"> (drawn_words, drawn_by_32)
        drawn_raised = BitShift <direction = "LEFT"> (drawn_words, drawn_by_32)
        drawn_lower = BitShift <direction = "RIGHT"> (drawn_raised, drawn_by_32)
        drawn_upper_number = Cast <to = 1> (drawn_upper)
        drawn_lower_number = Cast <to = 1> (drawn_lower)
        drawn_above_zero = Add(drawn_upper_number, drawn_half)
        drawn_probability = Mul(drawn_above_zero, drawn_unit)
        drawn_logarithm = Log(drawn_probability)
        drawn_square = Mul(drawn_logarithm, drawn_minus_two)
        drawn_radius = Sqrt(drawn_square)
        drawn_angle = Mul(drawn_lower_number, drawn_turn)
        drawn_cosine = Cos(drawn_angle)
        drawn_sine = Sin(drawn_angle)
        drawn_x = Mul(drawn_radius, drawn_cosine)
        drawn_y = Mul(drawn_radius, drawn_sine)
        drawn_both = Concat <axis = 0> (drawn_x, drawn_y)
        drawn_used = Slice(drawn_both, drawn_zero, drawn_total)
        drawn_shape = Concat <axis = 0> (drawn_events, drawn_length)
        {noise} = Reshape(drawn_used, drawn_shape)
    }}"""
    constants = {
        "all": np.array([-1]),
        "zero": np.array([0]),
        "one": np.array([1]),
        "two": np.array([2]),
        "64": np.array([64]),
        "half": np.float32(0.5),
        "yes": np.array(True),
        "powers": np.left_shift(np.uint64(1), np.arange(64, dtype=np.uint64)).view(np.int64),
        "shifts": np.array([1, 1 << 24]),
        "length": np.array([length]),
        "from": np.array(0),
        "step": np.array(1),
        "golden": _signed(GOLDEN),
        "multiplier_1": _signed(FIRST),
        "multiplier_2": _signed(SECOND),
        **{f"by_{bits}": np.array(bits, np.uint64) for bits in (27, 30, 31, 32)},
        "unit": np.float32(2.0**-32),
        "minus_two": np.float32(-2.0),
        "turn": np.float32(2 * np.pi * 2.0**-32),
    }
    tensors = [numpy_helper.from_array(np.asarray(value), f"drawn_{name}") for name, value in constants.items()]
    return list(parser.parse_graph(text).node), tensors


def _mixed(x: str, y: str) -> str:
    """Return the lines for ``y``, the last step of SplitMix64 of the words ``x`` (uint64).

    ONNX Runtime multiplies signed integers only. These have the same lower 64 bits.
    """
    lines, word = [], x
    for place, (bits, times) in enumerate(((30, "multiplier_1"), (27, "multiplier_2"))):
        stem = f"{y}_{place}"
        lines += [
            f'{stem}_moved = BitShift <direction = "RIGHT"> ({word}, drawn_by_{bits})',
            f"{stem}_folded = BitwiseXor({word}, {stem}_moved)",
            f"{stem}_whole = Cast <to = 7> ({stem}_folded)",
            f"{stem}_product = Mul({stem}_whole, drawn_{times})",
            f"{stem}_word = Cast <to = 13> ({stem}_product)",
        ]
        word = f"{stem}_word"
    lines += [
        f'{y}_moved = BitShift <direction = "RIGHT"> ({word}, drawn_by_31)',
        f"{y} = BitwiseXor({word}, {y}_moved)",
    ]
    return "\n".join(lines)


def _signed(number: int) -> np.ndarray:
    return np.array(number, np.uint64).view(np.int64)
