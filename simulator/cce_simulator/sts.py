"""Temporary keys for pods (section 7): pod identity, and STS for a trust agency. Both calls are unsigned."""

from __future__ import annotations

import json
from typing import Any

from cce_simulator import errors
from cce_simulator.agencies import Agencies, TemporaryKey
from cce_simulator.answers import Answer, RefusedError, json_answer
from cce_simulator.documents import created_at
from cce_simulator.incoming import Incoming
from cce_simulator.journal import Call
from cce_simulator.scenario import AgencySeed

OPERATIONS = frozenset({"AssumeAgencyForPodIdentity", "AssumeAgencyWithOIDC"})
POD_SECONDS = 3600.0
# Section 7: 900 s up to the agency's maximum, which is 12 h at most.
_OIDC_SECONDS = (900, 43200)
_OIDC_DEFAULT = 3600
_SESSION_DEFAULT = "pod-identity"


class Sts:
    """Gives out keys to whoever brings a good token."""

    def __init__(self, agencies: Agencies) -> None:
        self._agencies = agencies

    def answer(self, incoming: Incoming, call: Call) -> Answer:
        """Do what is asked. Raises RefusedError when it cannot be done."""
        if incoming.operation == "AssumeAgencyWithOIDC":
            return self._with_oidc(incoming, call)
        return self._for_pod(incoming, call)

    def _for_pod(self, incoming: Incoming, call: Call) -> Answer:
        """The token comes raw, without a word before it; the body is `{}`."""
        token = incoming.headers.get("Authorization", "")
        agency = self._agencies.of_pod(token)
        if agency is None:
            raise RefusedError(_refused(401, "The service account token is wrong or has expired."))
        self._check(agency)
        issued = self._agencies.issue(agency, _SESSION_DEFAULT, POD_SECONDS)
        call.credential, call.work_done = agency.urn, True
        body = {
            "assumedAgency": {"urn": agency.urn, "id": agency.association_id},
            "audience": "",
            "credentials": _in_camels(issued),
            "podIdentityAssociationId": agency.association_id,
            "subject": {"namespace": agency.namespace, "serviceAccount": agency.service_account},
        }
        return json_answer(200, body)

    def _with_oidc(self, incoming: Incoming, call: Call) -> Answer:
        asked = _read(incoming.body)
        agency = self._agencies.named(asked["agency_urn"])
        if agency is None or agency.provider_urn != asked["provider_urn"]:
            raise RefusedError(_refused(403, "The agency does not trust this identity provider."))
        if asked["id_token"] not in agency.tokens:
            raise RefusedError(_refused(401, "The id token is wrong or has expired."))
        self._check(agency)
        issued = self._agencies.issue(agency, asked["agency_session_name"], asked["duration_seconds"])
        call.credential, call.work_done = agency.urn, True
        body = {
            "source_identity": "",
            "assumed_agency": {"urn": agency.urn, "id": f"{issued.key.access_key}:{issued.session}"},
            "credentials": {
                "access_key_id": issued.key.access_key,
                "secret_access_key": issued.key.secret_key,
                "security_token": issued.key.security_token,
                "expiration": created_at(issued.expires_wall, "rfc3339"),
            },
        }
        return json_answer(200, body)

    def _check(self, agency: AgencySeed) -> None:
        if not agency.enabled:
            raise RefusedError(_refused(403, "The agency must not be taken on."))


def _in_camels(issued: TemporaryKey) -> dict[str, Any]:
    return {
        "accessKeyId": issued.key.access_key,
        "secretAccessKey": issued.key.secret_key,
        "securityToken": issued.key.security_token,
        "expiration": created_at(issued.expires_wall, "rfc3339"),
    }


def _read(body: bytes) -> dict[str, Any]:
    try:
        asked = dict(json.loads(body))
        asked.setdefault("duration_seconds", _OIDC_DEFAULT)
        texts = [asked[name] for name in ("provider_urn", "agency_urn", "agency_session_name", "id_token")]
        least, most = _OIDC_SECONDS
        if not all(isinstance(text, str) and text for text in texts) or not least <= asked["duration_seconds"] <= most:
            raise TypeError  # noqa: TRY301 (one answer for every way of being malformed)
        return asked
    except (ValueError, KeyError, TypeError):
        raise RefusedError(_refused(400, "Request body is invalid.")) from None


def _refused(status: int, message: str) -> Answer:
    """Section 4.1 has the shape of STS; its codes are not on the sheet."""
    return errors.error(status, "iam", code=f"STS5.{status}", message=message)
