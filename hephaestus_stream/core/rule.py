"""The rules that definitions obey, each with the word that stands for it."""

from __future__ import annotations

from enum import StrEnum


class Rule(StrEnum):
    """What a definition can be refused for; the words are stable, since people and programs match them.

    `docs/refusals.md` has a section for each, and `tests/core` a test.
    """

    # The class statement.
    MISSING_KEY = "missing-key"
    BAD_KEY = "bad-key"
    BAD_NAME = "bad-name"
    BAD_VERSION = "bad-version"
    BAD_CURRENT = "bad-current"
    BAD_SCOPE = "bad-scope"
    BAD_REUSE = "bad-reuse"
    BAD_RETENTION = "bad-retention"
    BAD_TAGS = "bad-tags"
    BAD_RETRY = "bad-retry"
    BAD_METADATA = "bad-metadata"
    UNKNOWN_KEYWORD = "unknown-keyword"
    MISSING_INPUT = "missing-input"
    UNREADABLE_INPUT = "unreadable-input"
    INHERITED_WORKFLOW = "inherited-workflow"
    # The nodes.
    RESERVED_NAME = "reserved-name"
    BAD_NODE_NAME = "bad-node-name"
    SAME_NODE = "same-node"
    SHARED_NODE = "shared-node"
    BARE_NODE = "bare-node"
    OTHER_INPUT = "other-input"
    UNREADABLE_PAYLOAD = "unreadable-payload"
    MISSING_EXECUTE = "missing-execute"
    BAD_EXECUTE = "bad-execute"
    TOO_MANY_NODES = "too-many-nodes"
    MISSING_START = "missing-start"
    BAD_START = "bad-start"
    UNNAMED_START = "unnamed-start"
    # The table.
    MISSING_TRANSITIONS = "missing-transitions"
    BAD_TRANSITIONS = "bad-transitions"
    UNFINISHED_ROW = "unfinished-row"
    BAD_TARGET = "bad-target"
    FOREIGN_NODE = "foreign-node"
    UNKNOWN_EVENT = "unknown-event"
    UNWIRED_EVENT = "unwired-event"
    REWIRED_EVENT = "rewired-event"
    MISSING_TARGET = "missing-target"
    REPEATED_TARGET = "repeated-target"
    UNLABELLED_ROUTE = "unlabelled-route"
    MISSING_LABEL = "missing-label"
    UNKNOWN_LABEL = "unknown-label"
    # The graph.
    CYCLE = "cycle"
    UNREACHABLE_NODE = "unreachable-node"
    DEAD_END = "dead-end"
    FANOUT_IN_EXIT = "fanout-in-exit"
    BRANCH_IS_EXIT = "branch-is-exit"
    PARTIAL_MEETING = "partial-meeting"
    BRANCH_LEAVES = "branch-leaves"
    NO_MEETING = "no-meeting"
    # Steps, and what is built for them.
    BAD_CONFIGURATION = "bad-configuration"
    SHARED_EVENT = "shared-event"
    RESERVED_EVENT = "reserved-event"
    BAD_STEP_RETRY = "bad-step-retry"
    BAD_TIMEOUT = "bad-timeout"
    BAD_RUNNER = "bad-runner"
    BAD_RETRY_POLICY = "bad-retry-policy"
    BAD_WAIT = "bad-wait"
    BAD_SUSPEND = "bad-suspend"
    # The module, as `hephaestus check` reads it.
    FAILED_IMPORT = "failed-import"
    DUPLICATE_WORKFLOW = "duplicate-workflow"
