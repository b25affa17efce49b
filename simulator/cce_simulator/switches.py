"""What cce-api.md leaves open (section 14 and remarks elsewhere), each point as a switch.

The defaults are what the sheet expects, or, where it expects nothing, what is hardest on a client.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args, get_type_hints

from cce_simulator.parsing import Fields


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """One field per open question; the allowed values are the type."""

    # Section 1: "exact code not visible".
    create_code: Literal[200, 201, 202] = 201
    # Section 1.4 says the id is always there; a POST answer without it is the case to survive.
    create_body: Literal["full", "without_id", "empty"] = "full"
    # Section 3: what 204 means. "204": deleted at once. "204_still_there": deleted later, like 202, but no body.
    delete_answer: Literal["202", "204", "204_still_there"] = "202"
    # Section 3: "DELETE of an unknown id: 204 or 404".
    delete_unknown: Literal[404, 204] = 404
    # Section 2: "DELETE while Deleting"; 429 is CCE.01429002, locked by another request.
    delete_deleting: Literal[202, 204, 404, 409, 429] = 202
    # Section 2: deleting while Creating is not described.
    delete_creating: Literal["accepted", 400, 409, 423] = "accepted"
    # Section 2: no protection of caches in use is documented (a cache is in use when the control path says so).
    delete_in_use: Literal["accepted", 400, 409, 423] = "accepted"
    # Sections 3 and 4.1: body of the 404 for an id that is not there.
    not_found_shape: Literal["errorCode", "error_code", "kubernetes", "empty"] = "errorCode"
    # Sections 3 and 4.2: "error code: not recorded anywhere"; the table has these three.
    not_found_code: Literal["CCE.01404001", "CCE.02404001", "CCE.03404001"] = "CCE.01404001"
    # Section 4.2: "Duplicate cache name code itself is unknown".
    duplicate_name: Literal[409, 400] = 409
    # Sections 2 and 4.2: "a 50-limit hit could be 400 or 403".
    quota_answer: Literal[400, 403] = 403
    # Section 2: per region and project, or per account.
    quota_scope: Literal["project", "account"] = "project"
    # Section 1.2: "Whether a cache in Deleting still shows in the list".
    list_deleting: Literal["yes", "no"] = "yes"
    # Section 2: "Can the name be reused while the old cache is Deleting".
    name_reuse: Literal["refused", "allowed"] = "refused"
    # Not documented at all.
    list_order: Literal["created", "newest_first", "name", "random"] = "created"
    # Section 1.2: absent, null and [] must all be read as empty.
    empty_list: Literal["[]", "null", "absent"] = "[]"
    # Sections 1.4 and 1.5: Go's time.String() in the example, RFC 3339 possible.
    created_at: Literal["go", "rfc3339"] = "go"
    # Section 1.3 says 20-400; section 12 saw a client that sends 0 for "not given".
    size_zero: Literal["refused", "default"] = "refused"
    # Not documented: whether answers hold the images as they were given, in full form, or in another order.
    images_echo: Literal["as_given", "canonical", "reordered"] = "as_given"
    # Section 2: "Whether expiry is counted from created_at or from becoming Available".
    retention_from: Literal["created", "available"] = "created"
    # Section 6: the SDK signs X-Security-Token, another client of Huawei's adds it after signing.
    unsigned_security_token: Literal["refused", "accepted"] = "refused"  # noqa: S105 (a position)


def allowed_values() -> dict[str, tuple[Any, ...]]:
    """Every switch with its values, in the order of the class."""
    hints = get_type_hints(Switches)
    return {field.name: get_args(hints[field.name]) for field in dataclasses.fields(Switches)}


def parse_switches(fields: Fields, base: Switches) -> Switches:
    """Read the switches that are given; the others stay as in `base`."""
    values = {name: fields.choice(name, values, getattr(base, name)) for name, values in allowed_values().items()}
    fields.done()
    return dataclasses.replace(base, **values)
