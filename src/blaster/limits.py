"""Every bound an operator can meet, with its unit and what breaks without it."""

from __future__ import annotations

TICK_IMMEDIATE_ROUNDS_MAX = 16
"""Rounds of immediate steps in one tick; a longer chain goes on in the next tick."""

ENTRIES_PER_INSTANT_MAX = 100
"""Entries of one contact that follow from one input (or one due time) within one instant; without
it two journeys could start each other for ever."""

LOG_PAYLOAD_INLINE_BYTES_MAX = 64 * 1024
"""A larger record payload goes to the appended payload file; SQLite pages are slow for it."""

LOG_FILE_BYTES_MAX = 256 * 1024 * 1024
"""A log file is closed at this size, so that old log is removed as whole files."""

LOG_PENDING_BYTES_MAX = 64 * 1024 * 1024
"""Appended but not yet durable bytes; without it a slow disk would fill memory."""

LOG_GROUP_MS = 3
"""How long a commit waits for company; the price of an acknowledgement against the disk's syncs."""

IMPORT_CELL_BYTES_MAX = 64 * 1024
"""One cell of an imported file; a longer one rejects its row."""

EVENT_ATTRIBUTES_MAX = 128
"""Undeclared attributes of one event that rules may ask for, the first to come; of further ones
there is no value. Each is a column over all its happenings."""

EVENT_TEXT_BYTES_MAX = 1_024
"""A text among an event's attributes that rules may ask for; a longer one is missing."""

LOOKUP_ROWS_MAX = 100_000
"""Rows of one look-up table; they are published with the definitions and held in memory."""

RULE_TEXT_BYTES_MAX = 1024 * 1024
"""One rule's text without the values of its lists; parsing time is linear in it."""

RULE_LISTS_BYTES_MAX = 32 * 1024 * 1024
"""One rule's text with the values of its lists: a million of them, of 30 bytes each."""

RULE_VALUES_MAX = 1_000_000
"""Values in the lists of one rule (`in [..]`); each takes some hundred bytes of memory."""

RULE_DEPTH_MAX = 64
"""Nesting of one rule; a deeper one is refused before it can exhaust the stack."""

RULE_NODES_MAX = 10_000
"""Nodes of one rule."""

DEFINITION_FILE_BYTES_MAX = 4 * 1024 * 1024
"""One file of a workspace."""

COMMANDS_MAX = 10_000
"""Calls that wait for the engine thread; a further one is answered Busy."""

ORDERS_IN_FLIGHT_MAX = 200_000
"""Orders without an outcome; without it a stopped transport would let them grow without end."""

NOTICES_MAX = 10_000
"""Notices that a subscriber has not taken yet; one that lags further is told so and ended."""

HANDOVER_ROWS_MAX = 4_096
"""Orders that are handed over together; the values of their messages are gathered at once."""

FRAME_BYTES_MAX = 16 * 1024 * 1024
"""One frame between core and worker; a longer one means that the two do not agree."""

WORKERS_MAX = 64
"""Transport workers of one engine."""

TICK_THREADS_MAX = 64
"""Threads of one tick."""

TICK_THREADS = 4
"""Threads that a tick has at most where nobody says how many: more wait for the same memory."""

RING_PLACES = 4_096
"""Orders that one worker has at once; each has a place in its hand-over ring."""

LETTERS_KNOWN_MAX = 256
"""Letters that a worker keeps: of more, the one it was told first goes; the core counts along."""

ORDERS_PER_FRAME_MAX = 256
"""Orders in one frame to a worker; of more, an urgent frame behind it would have to wait."""

ORDER_RETURNS_MAX = 5
"""How often an untried order goes back to the queue before it is deferred instead."""

WORKER_DEATHS_MAX = 5
"""Ends of one transport worker within a minute; after them it rests for a minute."""

RECIPIENT_BYTES_MAX = 254
"""An e-mail address (RFC 5321 section 4.5.3.1.3, less the brackets)."""

REPLY_BYTES_MAX = 4_096
"""One SMTP reply, all its lines; a longer one ends the connection."""

REASON_BYTES_MAX = 160
"""What is kept of the reply or error behind an outcome."""

MESSAGE_BYTES_MAX = 25 * 1024 * 1024
"""One message as it goes over the wire."""

WORKER_STOP_S = 10.0
"""How long a worker that ends waits for what is on the wire; the rest is broken off."""

RESULTS_ROWS = 64
"""Outcomes that a worker tells the core of at once, without waiting for more."""

RESULTS_MS = 10
"""How long an outcome waits for company before a worker tells the core."""

OUTBOX_ROWS_MAX = 1_024
"""Outcomes the core has not taken yet; at that a worker begins no further message."""

PULSE_S = 0.5
"""How often a worker says that it lives, and what it uses."""

QUIT_TIMEOUT_S = 2.0
"""How long a worker waits for the answer to QUIT; without it a mute site would hold connections."""

IN_DOUBT_WAIT_S = 600
"""How long an order rests that may or may not have been taken, before it is tried again."""
