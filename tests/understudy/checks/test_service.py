import pytest
from google.protobuf import text_format
from understudy.checks.service import check_compare, check_service
from understudy.loading import load_checked
from understudy.v1.service_pb2 import Compare, Service

GOOD = """
name: "fraud" stable: "v1" fallback: "v2"
variants { name: "v1" target: "127.0.0.1:8001" version: "1.0.0" authority: "models.example" }
variants { name: "v2" target: "dns:///fraud-v2:8001" }
variants { name: "v3" target: "unix:/run/v3.sock" }
routes {
  name: "predict"
  match {
    methods: "/a.B/C" methods: "/x/*"
    headers { name: "canary" exact: "" } headers { name: "x-tier" prefix: "gold" }
    headers { name: "x-y" regex: "[a-z]+" } headers { name: "X-Z" present: false }
  }
  split {
    weights { key: "v1" value: 90 } weights { key: "v2" value: 0 }
    sticky { metadata: "x-user-id" payload: true salt: "s" max_bytes: 67108864 }
  }
  mirrors {
    variant: "v3" percent: 0 deadline { nanos: 1 } max_in_flight: 1 max_bytes: 1
    compare { absolute: 0.01 relative: 2 outputs: "a" outputs: "b" }
  }
  mirrors { variant: "v2" percent: 100 }
  timeout { seconds: 2 }
}
routes { name: "rest" split { weights { key: "v1" value: 1 } } }
"""
ROUTE = "routes[0]."


def a_service(patch: str = "", **replaced: str) -> Service:
    """The good one, with something added in text format."""
    service = Service()
    text_format.Parse(GOOD, service)
    for field in replaced:
        service.ClearField(field)
    text_format.Merge(" ".join([patch, *replaced.values()]), service)
    return service


def a_route(text: str) -> Service:
    """The good one with one route: `text` beside a name and, where it has none, a split."""
    split = "" if "split" in text else 'split { weights { key: "v1" value: 1 } }'
    return a_service(routes=f'routes {{ name: "r" {split} {text} }}')


def problems(service: Service, path: str = "") -> list[str]:
    return [str(one) for one in check_service(service, path)]


def test_a_service_with_everything_in_it_keeps_every_rule():
    assert problems(a_service()) == []


def test_one_variant_and_no_route_is_enough():
    assert problems(Service(name="a", variants=[{"name": "v", "target": "a:1"}])) == []


def test_the_design_s_service_block_is_a_file_of_its_own(tmp_path):
    path = tmp_path / "service.yaml"
    path.write_text(
        'kind: Service\nname: fraud\nvariants: [{name: v1, target: "127.0.0.1:8001"}]\n'
        "routes: [{name: rest, split: {weights: {v1: 100}}}]\n"
    )
    assert load_checked(path, "Service", check_service).name == "fraud"


@pytest.mark.parametrize(
    ("replaced", "problem"),
    [
        ({"name": ""}, "name: is required"),
        ({"name": 'name: "Fraud"'}, "name: must be up to 63 lower-case letters, digits,"),
        ({"stable": 'stable: "v9"'}, "stable: no variant is called 'v9'; there are: v1, v2, v3"),
        ({"fallback": 'fallback: "v9"'}, "fallback: no variant is called 'v9'; there are: v1, v2, v3"),
        ({"patch": 'variants { target: "a:1" }'}, "variants[3].name: is required"),
        ({"patch": 'variants { name: "v4" }'}, "variants[3].target: is required"),
        (
            {"patch": 'variants { name: "v4" target: "v4" }'},
            "variants[3].target: must be host:port, got 'v4'",
        ),
        (
            {"patch": 'variants { name: "v1" target: "a:1" }'},
            "variants[3].name: 'v1' is there already, as variants[0]",
        ),
        (
            {"patch": 'variants { name: "v4" target: "a:1" version: "a\\nb" }'},
            "variants[3].version: must be at most 253 printable ASCII characters",
        ),
        (
            {"patch": 'variants { name: "v4" target: "a:1" authority: "ä" }'},
            "variants[3].authority: must be at most 253 printable ASCII characters",
        ),
        (
            {"patch": 'routes { name: "rest" split { weights { key: "v1" value: 1 } } }'},
            "routes[2].name: 'rest' is there already, as routes[1]",
        ),
        ({"patch": 'routes { split { weights { key: "v1" value: 1 } } }'}, "routes[2].name: is required"),
    ],
)
def test_a_broken_rule(replaced, problem):
    (found,) = problems(a_service(**replaced))
    assert found.startswith(problem)


def test_no_variants_at_all():
    assert problems(Service(name="a")) == ["variants: must have at least one variant"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("split {}", "split.weights: is required: a weight for at least one variant"),
        (
            "split { sticky { payload: true } }",
            "split.weights: is required: a weight for at least one variant",
        ),
        ('split { weights { key: "v1" value: -1 } }', "split.weights.v1: must not be below 0, got -1"),
        ('split { weights { key: "v1" value: nan } }', "split.weights.v1: must be a finite number, got nan"),
        ('split { weights { key: "v1" value: inf } }', "split.weights.v1: must be a finite number, got inf"),
        (
            'split { weights { key: "v1" value: 1e308 } weights { key: "v2" value: 1e308 } }',
            "split.weights: must add up to a finite number",
        ),
        (
            'split { weights { key: "v9" value: 1 } }',
            "split.weights.v9: no variant is called 'v9'; there are: v1, v2, v3",
        ),
        ('split { weights { key: "" value: 1 } }', "split.weights.: is required"),
        (
            'split { weights { key: "v1" value: 0 } weights { key: "v2" value: 0 } }',
            "split.weights: must not all be 0: the route would serve nobody",
        ),
        (
            'split { weights { key: "v1" value: 1 } sticky { metadata: "x-bin" } }',
            "split.sticky.metadata[0]: must not be a binary key (-bin), got 'x-bin'",
        ),
        (
            'split { weights { key: "v1" value: 1 } sticky { max_bytes: 67108865 } }',
            "split.sticky.max_bytes: must be at most 64MiB",
        ),
        (
            'match { methods: "/a/b" methods: "a/b" }',
            (
                "match.methods[1]: must be a full method name such as /package.Service/Method, or a prefix "
                "of one ending in *, got 'a/b'"
            ),
        ),
        (
            'match { headers { name: "x" } }',
            "match.headers[0]: must have one of exact, prefix, regex or present",
        ),
        ('match { headers { exact: "a" } }', "match.headers[0].name: is required"),
        (
            'match { headers { name: "x" prefix: "" } }',
            "match.headers[0].prefix: must not be empty; use present: true",
        ),
        (
            'match { headers { name: "x" regex: "[" } }',
            (
                "match.headers[0].regex: must be a regular expression: unterminated character set at "
                "position 0, got '['"
            ),
        ),
        (
            'match { headers { name: "x-understudy-variant" present: true } }',
            (
                "match.headers[0].name: must not be a key that gRPC or the sidecar sets itself, "
                "got 'x-understudy-variant'"
            ),
        ),
        ("timeout {}", "timeout: must be longer than 0s, got 0s"),
        ("timeout { seconds: -1 }", "timeout: must be longer than 0s, got -1s"),
        ("mirrors { percent: 1 }", "mirrors[0].variant: is required"),
        (
            'mirrors { variant: "v9" percent: 1 }',
            "mirrors[0].variant: no variant is called 'v9'; there are: v1, v2, v3",
        ),
        (
            'mirrors { variant: "v1" percent: 1 }',
            "mirrors[0].variant: 'v1' is the only variant that serves this route; a copy to it shows nothing",
        ),
        (
            'mirrors { variant: "v2" }',
            "mirrors[0].percent: is required: the share of calls to copy, 0 to 100",
        ),
        ('mirrors { variant: "v2" percent: 101 }', "mirrors[0].percent: must be from 0 to 100, got 101"),
        ('mirrors { variant: "v2" percent: -1 }', "mirrors[0].percent: must be from 0 to 100, got -1"),
        ('mirrors { variant: "v2" percent: nan }', "mirrors[0].percent: must be a finite number, got nan"),
        (
            'mirrors { variant: "v2" percent: 1 deadline {} }',
            "mirrors[0].deadline: must be longer than 0s, got 0s",
        ),
        (
            'mirrors { variant: "v2" percent: 1 max_in_flight: 0 }',
            "mirrors[0].max_in_flight: must be above 0; percent: 0 turns a mirror off",
        ),
        (
            'mirrors { variant: "v2" percent: 1 max_bytes: 0 }',
            "mirrors[0].max_bytes: must be above 0; percent: 0 turns a mirror off",
        ),
        (
            'mirrors { variant: "v2" percent: 1 compare { absolute: -1 } }',
            "mirrors[0].compare.absolute: must not be below 0, got -1",
        ),
        (
            'mirrors { variant: "v2" percent: 1 compare { relative: inf } }',
            "mirrors[0].compare.relative: must be a finite number, got inf",
        ),
        (
            'mirrors { variant: "v2" percent: 1 compare { outputs: "a" outputs: "a" } }',
            "mirrors[0].compare.outputs[1]: 'a' is there already, as mirrors[0].compare.outputs[0]",
        ),
        (
            'mirrors { variant: "v2" percent: 1 } mirrors { variant: "v2" percent: 2 }',
            "mirrors[1].variant: 'v2' is there already, as mirrors[0]",
        ),
    ],
)
def test_a_broken_rule_of_a_route(text, problem):
    route, _, _ = ROUTE.partition(".")
    assert problems(a_route(text)) == [f"{route}.{problem.replace('as mirrors', f'as {route}.mirrors')}"]


def test_a_route_without_a_split_has_no_weights():
    service = a_service(routes='routes { name: "r" }')
    assert problems(service) == ["routes[0].split.weights: is required: a weight for at least one variant"]


def test_a_variant_of_weight_0_may_be_mirrored_to_and_so_may_one_of_two_that_serve():
    for weights in ('weights { key: "v2" value: 0 }', 'weights { key: "v2" value: 1 }'):
        text = (
            f'split {{ weights {{ key: "v1" value: 1 }} {weights} }} mirrors {{ variant: "v2" percent: 1 }}'
        )
        assert problems(a_route(text)) == []


def test_regular_expressions_that_python_cannot_take_are_violations():
    for regex in ("(" * 5000, "a{99999999999999999999}", "(?P<a>x)(?P<a>y)", "*"):
        service = a_service(routes="")
        route = service.routes.add(name="r", split={"weights": {"v1": 1}})
        route.match.headers.add(name="x", regex=regex)
        (found,) = check_service(service)
        assert found.field == "routes[0].match.headers[0].regex"


def test_every_rule_is_checked_even_where_one_is_broken_and_the_path_stands_in_front():
    service = a_service(patch='name: "" stable: "v9" routes { split { weights { key: "v8" value: 1 } } }')
    assert [one.field for one in check_service(service, "service")] == [
        "service.name",
        "service.stable",
        "service.routes[2].name",
        "service.routes[2].split.weights.v8",
    ]


def test_a_comparison_by_itself():
    assert check_compare(Compare(absolute=0.5, outputs=["a"]), "compare") == []
    assert [one.field for one in check_compare(Compare(absolute=-1, relative=-1), "c")] == [
        "c.absolute",
        "c.relative",
    ]
