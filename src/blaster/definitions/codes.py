"""The table of findings: one stable code per kind, with its cause, an example and the fix.

Law: a code's number and meaning never change, and a code is never used for two kinds of mistake.
This is data; nothing here decides anything.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Code(NamedTuple):
    """What `blaster check --code` prints: why it is reported, an example, what to do."""

    severity: Severity
    cause: str
    example: str
    fix: str


BROKEN_YAML = "B001"
DUPLICATE_KEY = "B002"
YAML_MACHINERY = "B003"
UNREADABLE_FILE = "B004"
CUT_RULE = "B005"
UNKNOWN_KEY = "B006"
MISSING_KEY = "B007"
WRONG_SHAPE = "B008"
BAD_VALUE = "B009"
NOT_SUPPORTED = "B010"
BROKEN_TOML = "B011"
DUPLICATE_NAME = "B012"
BAD_FRONT_MATTER = "B013"
NO_WORKSPACE = "B014"
STRAY_FILE = "B015"
BAD_RULE = "B020"
UNKNOWN_FIELD = "B021"
UNKNOWN_MESSAGE = "B022"
UNKNOWN_STEP = "B023"
UNKNOWN_LIST = "B024"
UNKNOWN_FORM = "B025"
UNKNOWN_SENDER = "B026"
UNKNOWN_EVENT = "B027"
UNKNOWN_JOURNEY = "B028"
WRONG_TYPE = "B029"
DUPLICATE_STEP = "B030"
UNREACHABLE_STEP = "B031"
ENDLESS_LOOP = "B032"
BRANCH_WITHOUT_ELSE = "B033"
FALLS_INTO_BRANCH = "B034"
BROKEN_PROMISE = "B035"
FALLS_INTO_EXIT = "B036"
NEITHER_KEY_NOR_AGAIN = "B037"
SERIES_ORDER = "B038"
RESERVED_JOURNEY = "B039"
RESERVED_FIELD = "B040"
DEFAULT_DOES_NOT_FIT = "B041"
MISSING_CATEGORY = "B050"
BROKEN_TEMPLATE = "B051"
UNKNOWN_VARIABLE = "B052"
UNKNOWN_FILTER = "B053"
UNKNOWN_LINK = "B054"
UNKNOWN_BLOCK = "B055"
NO_SENDER = "B056"
MESSAGE_TOO_LARGE = "B057"
MISSING_DKIM_KEY = "B060"
UNKNOWN_ZONE = "B061"
UNKNOWN_SITE = "B062"
NO_DETAILS = "B063"
NEARLY_THE_SAME = "B070"
NOTHING_JOINS = "B071"
NEVER_TRUE = "B072"
ALWAYS_TRUE = "B073"

CODES: dict[str, Code] = {
    BROKEN_YAML: Code(
        "error",
        "The file is not valid YAML.",
        "steps:\n  - send: [email bill",
        "Correct the place shown; look also at the line above it for an open quote or bracket.",
    ),
    DUPLICATE_KEY: Code(
        "error",
        "A mapping holds the same key twice; one of the two would be lost.",
        "visits: integer\nvisits: text",
        "Keep one of them.",
    ),
    YAML_MACHINERY: Code(
        "error",
        "YAML anchors, aliases, tags, merge keys and several documents in a file are not read.",
        "when: *shared",
        "Write the value out; a value that begins with & * or ! needs single quotes.",
    ),
    UNREADABLE_FILE: Code(
        "error",
        "The file is not UTF-8, holds control characters, is too large or nested too deep.",
        "a file saved as windows-1255",
        "Save the file as UTF-8; split a very large one.",
    ),
    CUT_RULE: Code(
        "error",
        "YAML cut a rule in silence: at a comma or bracket inside a one-line form, at ` #`, at"
        " `: `, or because it begins with a character that YAML keeps for itself.",
        "- {when: count(a, b) > 2, then: x}",
        "Put single quotes around the whole rule, or write it in the `>-` block form.",
    ),
    UNKNOWN_KEY: Code(
        "error",
        "The key is not one that this place knows.",
        "journey: x\nstpes: []",
        "Correct the spelling; the nearest known key is shown.",
    ),
    MISSING_KEY: Code(
        "error",
        "A key that this place cannot do without is missing.",
        "journey: x     # no steps",
        "Add the key.",
    ),
    WRONG_SHAPE: Code(
        "error",
        "A list, a mapping or a single text stands where another of the three belongs.",
        "steps: send email bill",
        "Write the form that the message names.",
    ),
    BAD_VALUE: Code(
        "error",
        "The value is not one that this option understands.",
        "wait: tomorrow",
        "Write the value as the message shows.",
    ),
    NOT_SUPPORTED: Code(
        "error",
        "The language knows this, but this release does not do it yet.",
        "split: {a: 50%, b: 50%}",
        "Remove it for now; nothing is ever ignored in silence.",
    ),
    BROKEN_TOML: Code(
        "error", "The file is not valid TOML.", "[account", "Correct the place shown."
    ),
    DUPLICATE_NAME: Code(
        "error",
        "Two definitions of the same kind bear the same name.",
        "two files that say `journey: welcome`",
        "Rename one of them.",
    ),
    BAD_FRONT_MATTER: Code(
        "error",
        "A message begins with `---`, its settings, and `---` again; then comes the body.",
        "<p>Hello</p>",
        "Begin the file with the front matter.",
    ),
    NO_WORKSPACE: Code(
        "error",
        "The folder has no blaster.toml, so it is no workspace.",
        "blaster check .   # one folder too high",
        "Name the workspace's folder, or run `blaster init`.",
    ),
    STRAY_FILE: Code(
        "error",
        "A file lies in a folder of definitions under a name that is not read.",
        "journeys/welcome.yml",
        "Rename the file as shown, or move it elsewhere.",
    ),
    BAD_RULE: Code(
        "error",
        "The rule or expression does not compile.",
        "when: visits > > 3",
        "Correct the place under the caret.",
    ),
    UNKNOWN_FIELD: Code(
        "error",
        "The field is not declared in fields.yaml, by a form, nor built in.",
        "add: {vists: 1}",
        "Correct the name or declare the field.",
    ),
    UNKNOWN_MESSAGE: Code(
        "error",
        "No file messages/NAME.email.html or messages/NAME.sms.txt has this name.",
        "send: email bil",
        "Correct the name or write the message.",
    ),
    UNKNOWN_STEP: Code(
        "error",
        "`then`, `else` or `goto` names a step that the journey does not have.",
        "then: remnid",
        "Correct the name; `end` ends the run.",
    ),
    UNKNOWN_LIST: Code(
        "error",
        "lists.yaml exists and does not declare this list.",
        "join list: vpi",
        "Correct the name or declare the list.",
    ),
    UNKNOWN_FORM: Code(
        "error",
        "The folder forms/ exists and holds no form of this name.",
        'on: form "regsiter"',
        "Correct the name or write the form.",
    ),
    UNKNOWN_SENDER: Code(
        "error",
        "A message's `from` is no sender of blaster.toml.",
        "from: clubb",
        "Correct the name or add [senders.NAME] to blaster.toml.",
    ),
    UNKNOWN_EVENT: Code(
        "error",
        "events.yaml exists and does not declare this event, or not this attribute of it.",
        'on: event "purchse"',
        "Correct the name or declare it.",
    ),
    UNKNOWN_JOURNEY: Code(
        "error",
        "No journey has this name.",
        "expect: {journey welcom: {entered: 3}}",
        "Correct the name.",
    ),
    WRONG_TYPE: Code(
        "error",
        "The field has a type with which this cannot be done, or the value does not fit it.",
        "add: {city: 1}",
        "Use a field of a fitting type, or a fitting value.",
    ),
    DUPLICATE_STEP: Code(
        "error", "Two steps bear the same id.", "- id: bill\n- id: bill", "Rename one of them."
    ),
    UNREACHABLE_STEP: Code(
        "warning",
        "No way leads to the step, so it never runs.",
        "- end: true\n- send: email bill",
        "Name it in a `then` or `else`, or remove it.",
    ),
    ENDLESS_LOOP: Code(
        "error",
        "Steps form a circle without a wait in it: a run would go round for ever at once.",
        "- id: a\n  send: sms x\n- goto: a",
        "Put a `wait`, `wait until` or `series` into the circle.",
    ),
    BRANCH_WITHOUT_ELSE: Code(
        "error",
        "A branch says nothing about contacts for whom no rule is true.",
        "branch: [{when: visits > 3, then: a}]",
        "Add {else: STEP}; {else: end} ends the run.",
    ),
    FALLS_INTO_BRANCH: Code(
        "error",
        "A step of one branch goes on, unsaid, into a step that another branch names.",
        "- id: thank     # `then: thank`, but it runs on into `remind`\n- id: remind",
        "Write its `then`: `then: end`, or the step that follows if that is meant.",
    ),
    BROKEN_PROMISE: Code(
        "error",
        "The items of a series are not what its `promise` says.",
        "promise: {every: 1w, count: 6}     # over five items",
        "Correct the items or the promise.",
    ),
    FALLS_INTO_EXIT: Code(
        "warning",
        "A step goes on, unsaid, into a step that an exit names.",
        'exit: [{when: event("payment"), then: thank}]',
        "Write the `then` of the step before it.",
    ),
    NEITHER_KEY_NOR_AGAIN: Code(
        "warning",
        "An event starts the journey once per contact for ever, unless `key` or `again` is given.",
        'enter: {on: event "purchase"}',
        "Add `key: ATTRIBUTE`, or `again: each time`, or `again: never` if that is meant.",
    ),
    SERIES_ORDER: Code(
        "warning",
        "A late item of a series holds back those after it; here a later one is due before.",
        "series: [{day: 7, send: email b}, {day: 3, send: email a}]",
        "Put the items in the order of their days.",
    ),
    RESERVED_JOURNEY: Code(
        "error",
        "Names that begin with `send email ` or `send sms ` stand for single sends by request.",
        "journey: send email bill",
        "Rename the journey.",
    ),
    RESERVED_FIELD: Code(
        "error",
        "A field bears the name of a built-in one.",
        "email: text",
        "Every contact has this field; remove the declaration or rename it.",
    ),
    DEFAULT_DOES_NOT_FIT: Code(
        "error",
        "The default of a field does not fit the field's type.",
        "visits: {type: integer, default: none}",
        "Write a default of the type.",
    ),
    MISSING_CATEGORY: Code(
        "error",
        "A message does not say whether it is operational, marketing or sales.",
        "---\nsubject: Hello\n---",
        "Add `category: operational`, `category: marketing` or `category: sales`.",
    ),
    BROKEN_TEMPLATE: Code(
        "error",
        "The message's text has a mark that is not closed or not understood.",
        '{% when city == "Haifa" %}...',
        "Correct the mark; every {% when %} and {% for %} is closed by {% end %}.",
    ),
    UNKNOWN_VARIABLE: Code(
        "error",
        "A message uses a name that is no contact field, and says no default for it.",
        "{{ frist_name }}",
        "Correct the name, or add | default('...').",
    ),
    UNKNOWN_FILTER: Code(
        "error",
        "A message uses a filter that does not exist, or with the wrong number of values.",
        "{{ first_name | upcase }}",
        "Correct the name.",
    ),
    UNKNOWN_LINK: Code(
        "error",
        "A message uses a link that its front matter does not declare, or one that leads nowhere.",
        "{{ links.pya }}",
        "Correct the name, or add the link to `links`.",
    ),
    UNKNOWN_BLOCK: Code(
        "error",
        "A message includes a block that messages/blocks/ does not hold, or blocks go in circles.",
        '{% include "huors" %}',
        "Correct the name or write the block.",
    ),
    NO_SENDER: Code(
        "warning",
        "An e-mail names no sender, and blaster.toml does not declare exactly one.",
        "---\ncategory: marketing\nsubject: Hello\n---",
        "Add `from: NAME` and [senders.NAME].",
    ),
    MESSAGE_TOO_LARGE: Code(
        "error",
        "A message is too large to be sent. A block counts as often as it is included, and what"
        " stands in the HTML may stand in the text part too.",
        '{% when vip %}{% include "picture" %}{% else %}{% include "picture" %}{% end %}',
        "Link to pictures in place of embedding them, or include a block once, not in each branch.",
    ),
    MISSING_DKIM_KEY: Code(
        "warning",
        "The file of a DKIM key does not exist. Where e-mail is of kind smtp, `blaster run` and"
        " `blaster send` do not start without it, and an engine that delivers refuses to publish.",
        'dkim = [{ selector = "s1", key = "keys/missing.pem" }]',
        "Make one with `blaster keygen DOMAIN`, or correct the path.",
    ),
    UNKNOWN_ZONE: Code(
        "error",
        "The time zone is not in the time zone database.",
        'zone = "Asia/Jerusalm"',
        "Write a name like Asia/Jerusalem.",
    ),
    UNKNOWN_SITE: Code(
        "error",
        "shaping.toml limits a domain or host to which no route of blaster.toml leads.",
        '[sites."exmaple.com"]\nconnections = 2',
        "Correct the name, or add the domain to [routes].",
    ),
    NO_DETAILS: Code(
        "error",
        "The sender's name, address and contact stand below every e-mail, and one is missing.",
        '[account]\nname = "Club"     # no address, no contact',
        "Add it to [account] in blaster.toml.",
    ),
    NEARLY_THE_SAME: Code(
        "warning",
        "Two undeclared names are one letter apart; one of them may be a slip.",
        'join list: customers     # elsewhere: list("custmers")',
        "Correct one, or declare both.",
    ),
    NOTHING_JOINS: Code(
        "warning",
        "A list is used, but nothing joins it: no journey, form or scenario, and no lists.yaml.",
        'when: list("vip")',
        "Correct the name, or declare the list in lists.yaml.",
    ),
    NEVER_TRUE: Code(
        "warning",
        "The rule, or the part of it under the caret, can be true for nobody: its conditions"
        " exclude each other.",
        "when: visits > 5 and visits < 3",
        "Correct the values, or write `or` if either was meant.",
    ),
    ALWAYS_TRUE: Code(
        "warning",
        "The rule, or the part of it under the caret, is true for everyone, so it decides nothing.",
        "when: visits is set or visits is not set",
        "Leave the part out; a rule that is meant for everyone is: true.",
    ),
}
