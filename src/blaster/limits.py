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
"""Appended but not yet durable bytes; without it a slow disk would fill memory. Decisions that
follow from what was taken may be as many again."""

LOG_GROUP_MS = 3
"""How long a commit waits for company at most, unless whoever appends says that none is coming."""

SNAPSHOT_SEGMENT_BYTES_MAX = 256 * 1024 * 1024
"""A file of snapshots is closed at this size, so that what is dead in it can be reclaimed."""

SNAPSHOT_SEGMENTS_MAX = 64
"""Files that one snapshot names; of more the smallest ones are written together."""

SNAPSHOT_REWRITE_BYTES_MAX = 256 * 1024 * 1024
"""What one snapshot moves out of files that are mostly dead; the rest is left to the next one."""

SNAPSHOT_PIN_BYTES_MAX = 1024 * 1024 * 1024
"""Memory that only a snapshot being written keeps; with more it is given up and tried again."""

SNAPSHOT_LOG_BYTES = 256 * 1024 * 1024
"""Log written since the newest snapshot that calls for another one."""

SNAPSHOT_LOG_ENTRIES = 100_000
"""Entries since the newest snapshot that call for another one."""

SNAPSHOT_AGE_S = 3600.0
"""How old a snapshot becomes while anything happens; then there is another one."""

SNAPSHOT_CLOSE_BYTES = 4 * 1024 * 1024
"""Log since the newest snapshot for which an orderly close writes another one."""

SNAPSHOT_CLOSE_ENTRIES = 1_000
"""Entries for which it does; fewer are read again in no time when the engine is opened."""

SNAPSHOT_RETRY_S = 60.0
"""How long after a snapshot that could not be written the next one is tried."""

SWEEP_WAIT_S = 86_400.0
"""How long erased values wait on disk for others that are erased meanwhile, unless the account's
`erase_within` calls for less: to remove them, all that is kept is written anew."""

SWEEP_RETRY_S = 600.0
"""How long after it failed to do that the engine tries again."""

SWEEP_READERS_S = 60.0
"""How long a sweep waits for those who read the past before it says so; it waits on after that."""

HISTORY_GROUP_ROWS = 16_384
"""Rows of history that are read for one contact's at least; of smaller groups there would be so
many that finding the right one took longer."""

HISTORY_GROUP_BYTES = 8 * 1024 * 1024
"""And what those rows may hold, unless a single one has more; merging holds some groups of each
file."""

HISTORY_BUFFER_ROWS_MAX = 500_000
"""Rows on their way from the log to history that wait to be sorted and written together."""

HISTORY_BUFFER_BYTES_MAX = 64 * 1024 * 1024
"""What those rows may hold besides numbers."""

HISTORY_MERGE_FILES = 8
"""Files of one month, kind and size that are merged into one; more would slow down every look."""

HISTORY_FILE_ROWS_MAX = 100_000_000
"""No merging makes a larger file: it would have to be written again whole for an erasure."""

HISTORY_COLUMNS_MAX = 1_000
"""Columns of one file of history; events of ever new attributes go to further files."""

HISTORY_SLICE_ROWS = 4_000_000
"""Rows of history that a list of many contacts' sends holds at once, about."""

HISTORY_SLICE_BYTES = 128 * 1024 * 1024
"""Bytes of files of history, packed as they are there, that are filled from at once, about: what
was told of those rows is in memory."""

HISTORY_RETRY_S = 60.0
"""How long after a failure entries are moved to history again."""

HISTORY_STRIDE_S = 0.002
"""How long history works in one go; then whoever waits for the processor gets a turn."""

TEXT_BYTES_MAX = 32_000
"""One text of a contact, an answer, an attribute of an event or a reply; of a list all its words,
each and 4 bytes. A longer one is refused, in a file with its row. A column keeps those of 65,536
contacts in one piece of memory that has less than 2 GiB."""

EVENT_ATTRIBUTES_MAX = 128
"""Undeclared attributes of one event that rules may ask for, the first to come; of further ones
there is no value. Each is a column over all its happenings. The answers of one form are bounded
by the same: each is a column over all contacts."""

EVENT_TEXT_BYTES_MAX = 1_024
"""A text among an event's attributes that rules may ask for; a longer one is missing."""

FILL_ROWS = 8_192
"""Happenings of one record that fills a column anew; more would hold the engine up for longer."""

FILL_BYTES = 8 * 1024 * 1024
"""And their attributes, unless a single one has more."""

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

GATHERED_MAX = 1_024
"""Single events that enter the log together; of more at once an opt-out behind them would wait."""

ORDERS_IN_FLIGHT_MAX = 200_000
"""Orders without an outcome; without it a stopped transport would let them grow without end."""

NOTICES_MAX = 10_000
"""Notices that a subscriber has not taken yet; one that lags further is told so and ended."""

HANDOVER_ROWS_MAX = 4_096
"""Orders that are handed over together; the values of their messages are gathered at once."""

FRAME_BYTES_MAX = 16 * 1024 * 1024
"""One frame between core and worker; a longer one means that the two do not agree."""

LETTER_BYTES_MAX = 15 * 1024 * 1024
"""One message as workers are told of it, its blocks as often as they stand in it; less than a frame
has, so that what is published can also be sent by a release that says a little more with it."""

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
"""How long a worker that is told to end waits for what is on the wire; the rest is broken off."""

WORKER_ORPHAN_S = 7.0
"""The same for a worker whose core is gone: the next start waits for it."""

HEIRS_S = 10.0
"""How long a start waits for workers of an owner that is gone; one that still holds the folder
then hangs, and is killed."""

WORKER_SILENT_S = 30.0
"""A worker that says nothing for so long, while the core runs, hangs: it is killed and replaced."""

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

UNDER_WAY_S_MAX = 3_600
"""How long the transport may have an order before the engine warns of it: nothing it does, queues
and time-outs together, takes so long."""

IN_DOUBT_WAIT_S = 600
"""How long an order rests that may or may not have been taken, before it is tried again."""

OUTCOME_WAIT_MAX_S = 30 * 86_400
"""The longest wait a transport may ask for; a longer one is a mistake, not a wish."""

CLOCK_APART_S = 60.0
"""How far the wall clock may be from engine time; further, marketing and sales wait until somebody
says that it is right. Less would ring for every correction of a machine that is seldom set."""

CLOCK_FOLLOW_S = 1.0
"""A smaller difference between wall clock and engine time is left as it is."""

CLOCK_LEAP_MAX_S = 30 * 86_400.0
"""How far the wall clock may be ahead after a reboot; of a clock chip that lost its mind (and shows
another decade) engine time could never come back."""

CLOCK_LOOK_S = 1.0
"""How often at most a wall clock that differs is looked into, and engine time is kept."""

LATE_GRACE_S = 600
"""What `late: skip` forgives an engine that comes to a step after its instant: a restart, or many
who are due at once."""
