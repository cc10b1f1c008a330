import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.tracecontext import SpanContext, is_sampled, parse

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"00-{TRACE}-{SPAN}-fe", False),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", True),
        (f"cc-{TRACE}-{SPAN}-01-", True),
    ],
)
def test_a_valid_header(header, sampled):
    assert parse(header) == SpanContext(int(TRACE, 16), int(SPAN, 16), sampled=sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-extra",
        f"00-{TRACE}-{SPAN}-01-",
        f"cc-{TRACE}-{SPAN}-01.x",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"0X-{TRACE}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE}-{SPAN[:-1]}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-011",
        f"00-{TRACE}-{SPAN}",
        f"00_{TRACE}_{SPAN}_01",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01 ",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{'g' * 32}-{SPAN}-01",
        f"00-{'٣' * 32}-{SPAN}-01",
    ],
)
def test_an_invalid_header_is_no_parent(header):
    assert parse(header) is None


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_a_context_is_read_back_as_it_was_written(trace_id, span_id, sampled):
    context = SpanContext(trace_id, span_id, sampled)
    assert parse(context.traceparent) == context
    assert len(context.traceparent) == 55
    assert context.trace_id_hex == context.traceparent[3:35]


@given(st.text(max_size=70))
def test_any_text_is_a_context_or_none(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("parent", "ratio", "draw", "sampled"),
    [
        (None, 0.0, 0.0, False),
        (None, 0.01, 0.0099, True),
        (None, 0.01, 0.01, False),
        (None, 1.0, 0.999999, True),
        (True, 0.0, 0.5, True),
        (False, 1.0, 0.5, False),
    ],
)
def test_the_caller_decides_else_the_ratio(parent, ratio, draw, sampled):
    context = None if parent is None else SpanContext(1, 1, sampled=parent)
    assert is_sampled(context, ratio, draw) is sampled
