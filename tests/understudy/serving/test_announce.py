import json

from understudy.serving.announce import announce


def test_one_line_says_where_the_process_listens(capsys):
    announce({"grpc": "127.0.0.1:7080", "http": "[::1]:7081"})
    out = capsys.readouterr().out
    assert out.endswith("\n")
    assert out.count("\n") == 1
    assert json.loads(out) == {"listening": {"grpc": "127.0.0.1:7080", "http": "[::1]:7081"}}
