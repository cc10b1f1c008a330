"""What both planes share: the messages (`understudy.v1`), the rules they keep (`checks`), reading them from
files (`loading`), and the little that any process of ours needs (`serving`, `cli`).
"""
