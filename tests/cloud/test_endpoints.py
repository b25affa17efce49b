"""Regions, endpoints and templates by their form, and the addresses that come of them."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cloud.kit import EVIL_REGIONS

from imagecache_operator.cloud.endpoints import HUAWEI_DOMAINS, Endpoints, check_region
from imagecache_operator.cloud.hosts import EndpointError, check_endpoint, check_pod_identity_uri, host_of

HUAWEI = Endpoints()

# --- regions


@pytest.mark.parametrize("region", EVIL_REGIONS)
@pytest.mark.parametrize("template", [None, "https://cce.{region}.example.com", "https://cce.example.com/{region}"])
def test_what_is_no_region_leads_nowhere(template: str | None, region: str) -> None:
    """A region that is none by its form gives no address at all, whatever the template."""
    with pytest.raises(EndpointError, match="must be a region"):
        check_region(region)
    endpoints = Endpoints(cce_template=template, iam_template=template, sts_template=template)
    for address in (endpoints.cce, endpoints.iam, endpoints.sts):
        with pytest.raises(EndpointError, match=r"^The region must be a region such as cn-north-4"):
            address(region)


@pytest.mark.parametrize("region", ["a", "0", "cn-north-4", "a" * 63, "a--b"])
def test_regions_by_their_form(region: str) -> None:
    """Lower-case letters, digits and inner hyphens, 1 to 63: any such word is a region."""
    assert check_region(region) == region


# --- endpoints and templates


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        pytest.param("https://cce.example.com", "https://cce.example.com", id="normal already"),
        pytest.param(" https://cce.example.com/ \n", "https://cce.example.com", id="blanks and a slash at the end"),
        pytest.param("HTTPS://CCE.Example.COM/V5", "https://cce.example.com/V5", id="capitals, but for the path"),
        pytest.param("cce.example.com", "https://cce.example.com", id="no scheme is https"),
        pytest.param("https://cce.example.com:443", "https://cce.example.com", id="the default port"),
        pytest.param("http://cce.example.com:80", "http://cce.example.com", id="the default port of http"),
        pytest.param("https://cce.example.com:08443", "https://cce.example.com:8443", id="a port with a zero"),
        pytest.param("https://cce.example.com/a/b//", "https://cce.example.com/a/b", id="a path"),
        pytest.param("https://10.1.2.3:8443", "https://10.1.2.3:8443", id="an address"),
        pytest.param("https://[::1]:8443/x", "https://[::1]:8443/x", id="an IPv6 address"),
        pytest.param("https://cce.{region}.example.com", "https://cce.{region}.example.com", id="a template"),
        pytest.param("https://CCE-{region}.Example.com/", "https://cce-{region}.example.com", id="a part of a label"),
        pytest.param("https://{region}.example.com", "https://{region}.example.com", id="a region in front"),
        pytest.param("https://example.com/{region}", "https://example.com/{region}", id="a region in the path"),
        pytest.param("https://localhost/{region}", "https://localhost/{region}", id="a region in a path only"),
    ],
)
def test_endpoints_in_their_normal_form(text: str, normal: str) -> None:
    """Every way to write an endpoint comes out in one form, and that form stays as it is."""
    assert check_endpoint(text) == normal
    assert check_endpoint(normal) == normal


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("https://", id="no host"),
        pytest.param("ftp://cce.example.com", id="another scheme"),
        pytest.param("https:/cce.example.com", id="one slash"),
        pytest.param("https://user@evil.example", id="a user"),
        pytest.param("https://cce.myhuaweicloud.com@evil.example", id="a user that looks like the host"),
        pytest.param("https://cce.myhuaweicloud.com:443@evil.example", id="a user and a password"),
        pytest.param("https://evil.example/x?", id="an empty query"),
        pytest.param("https://evil.example/x?y=.myhuaweicloud.com", id="a query that looks like the host"),
        pytest.param("https://evil.example#.myhuaweicloud.com", id="a fragment"),
        pytest.param("https://evil.example\\.myhuaweicloud.com", id="a backslash"),
        pytest.param("https://evil.example/../x", id="a path that climbs"),
        pytest.param("https://evil.example/%2e%2e", id="an encoded path"),
        pytest.param("https://evil.example /x", id="a blank"),
        pytest.param("https://evil\n.example", id="a line end"),
        pytest.param("https://evil.example\tx", id="a tab"),
        pytest.param("https://cce.example.com.", id="a dot at the end"),
        pytest.param("https://.example.com", id="an empty label"),
        pytest.param("https://cce..example.com", id="an empty label in the middle"),
        pytest.param("https://-cce.example.com", id="a hyphen in front"),
        pytest.param("https://cce_x.example.com", id="an underscore"),
        pytest.param("https://\uff45vil.example", id="a full-width letter"),
        pytest.param("https://evil\u3002example", id="an ideographic full stop"),
        pytest.param("https://2130706433", id="an address as one number"),
        pytest.param("https://0x7f000001", id="an address as one hexadecimal number"),
        pytest.param("https://0x7f.0x1", id="an address of two hexadecimal numbers"),
        pytest.param("https://127.1", id="an address of two numbers"),
        pytest.param("https://0177.0.0.1", id="an octal address"),
        pytest.param("https://127.0.0.1.", id="an address with a dot at the end"),
        pytest.param("https://256.1.1.1", id="an address out of range"),
        pytest.param("https://[::1%25eth0]", id="an address with a zone"),
        pytest.param("https://[::1", id="half a bracket"),
        pytest.param("https://::1", id="an IPv6 address without brackets"),
        pytest.param("https://example.com:0", id="port 0"),
        pytest.param("https://example.com:65536", id="port 65536"),
        pytest.param("https://example.com:", id="an empty port"),
        pytest.param("https://cce.{region", id="half a brace"),
        pytest.param("https://cce.{zone}.example.com", id="another place"),
        pytest.param("https://cce.{region.__class__}.example.com", id="a place that reaches inside"),
        pytest.param("https://example.com:{region}", id="the region as a port"),
        pytest.param("https://{region}@example.com", id="the region as a user"),
        pytest.param("{region}://example.com", id="the region as a scheme"),
        pytest.param("https://{region}", id="the region as the host"),
        pytest.param("https://cce.{region}", id="the region at the end of the host"),
        pytest.param("https://cce.x{region}/path", id="the region as a part of the last label"),
        pytest.param("https://{region}.{region}", id="the region twice, once at the end"),
        pytest.param("https://{region}.com", id="the region as the domain that is registered"),
        pytest.param("https://cce.{region}.com/path", id="the region as such a domain below"),
        pytest.param("https://cce-{region}.com:8443", id="the region as a part of such a domain"),
        pytest.param("https://{region}.example.{region}.com", id="the region twice, once as such a domain"),
    ],
)
def test_what_is_no_endpoint(text: str) -> None:
    """Anything over which two parsers could disagree, and any template that gives the host away, is refused."""
    with pytest.raises(EndpointError, match=r"^must "):
        check_endpoint(text)


@given(st.text("htps:/@.?#[]{}\\%region0x127evil-", max_size=40))
def test_a_good_endpoint_reads_the_same_to_the_client(text: str) -> None:
    """Whatever passes has, for the HTTP client, the host that was judged, and neither user nor query nor fragment."""
    try:
        endpoint = check_endpoint(text)
    except EndpointError:
        return
    url = httpx.URL(endpoint.replace("{region}", "zz"))
    assert url.host == host_of(endpoint)
    assert (url.userinfo, url.query, url.fragment) == (b"", b"", "")
    assert url.scheme in {"http", "https"}


# --- Huawei Cloud's own


@pytest.mark.parametrize(
    ("region", "cce", "iam", "sts"),
    [
        pytest.param("cn-north-4", "cce.cn-north-4", "iam.cn-north-4", "sts.cn-north-4", id="one with everything"),
        pytest.param("cn-east-2", "cce.cn-east-2", "iam.cn-east-2", "sts.cn-north-4", id="one without STS"),
        pytest.param("cn-north-11", "cce.cn-north-11", "iam", "sts.cn-north-4", id="one without IAM"),
        pytest.param("mars-1", "cce.mars-1", "iam", "sts.cn-north-4", id="one that we do not know"),
    ],
)
def test_huaweis_own_endpoints(region: str, cce: str, iam: str, sts: str) -> None:
    """CCE is in the region; IAM and STS are where the official SDK finds them."""
    found = [HUAWEI.cce(region), HUAWEI.iam(region), HUAWEI.sts(region)]
    assert found == [f"https://{name}.myhuaweicloud.com" for name in (cce, iam, sts)]


def test_europe_is_a_cloud_of_its_own() -> None:
    """Nothing of eu-west-101 leads to the other cloud, though eu-west-0 belongs to it."""
    found = [HUAWEI.cce("eu-west-101"), HUAWEI.iam("eu-west-101"), HUAWEI.sts("eu-west-101")]
    assert found == [f"https://{name}.eu-west-101.myhuaweicloud.eu" for name in ("cce", "iam", "sts")]
    assert HUAWEI.cce("eu-west-0") == "https://cce.eu-west-0.myhuaweicloud.com"


# --- whose endpoint holds for which region


def test_an_endpoint_without_a_region_holds_for_one_only() -> None:
    """A fixed CCE endpoint serves the operator's region; another region gets an error that names both."""
    endpoints = Endpoints(region="cn-north-4", cce_template="https://cce.example.com")
    assert endpoints.cce("cn-north-4") == "https://cce.example.com"
    with pytest.raises(EndpointError, match=r"holds for region cn-north-4 only, not for cn-east-3"):
        endpoints.cce("cn-east-3")


def test_endpoints_by_region() -> None:
    """The official variable of a region serves it where the template does not hold, and its host is allowed."""
    by_region = {"cn-east-3": "https://east.example.com"}
    fixed = Endpoints(region="cn-north-4", cce_template="https://cce.example.com", cce_by_region=by_region)
    assert fixed.cce("cn-east-3") == "https://east.example.com"
    assert fixed.cce("cn-north-4") == "https://cce.example.com"
    template = Endpoints(cce_template="https://{region}.example.com", cce_by_region=by_region)
    assert template.cce("cn-east-3") == "https://cn-east-3.example.com"
    assert Endpoints(cce_by_region=by_region).cce("cn-east-3") == "https://east.example.com"


def test_a_directory_brings_endpoint_and_region_together() -> None:
    """A fixed endpoint of the credentials directory holds for its own region, not for that of the settings."""
    settings = Endpoints(region="cn-north-4", cce_template="https://settings.example.com")
    mine = settings.overridden(region="cn-east-3", cce="https://mine.example.com", iam=None)
    assert mine.cce("cn-east-3") == "https://mine.example.com"
    with pytest.raises(EndpointError, match="holds for region cn-east-3 only"):
        mine.cce("cn-north-4")
    assert settings.overridden(region=None, cce=None, iam=None) == settings
    with pytest.raises(EndpointError, match="holds for region cn-north-4 only"):
        settings.overridden(region="cn-east-3", cce=None, iam=None).cce("cn-east-3")


def test_own_templates_are_allowed_whatever_the_list_says() -> None:
    """The list of allowed hosts is for what others name; what an administrator set as an endpoint holds by itself."""
    endpoints = Endpoints(iam_template="https://iam.private.example", allowed=())
    assert endpoints.iam("cn-north-4") == "https://iam.private.example"
    with pytest.raises(EndpointError, match=r"The host cce\.cn-north-4\.myhuaweicloud\.com is not among those"):
        endpoints.cce("cn-north-4")
    assert Endpoints(allowed=HUAWEI_DOMAINS).hosts() == ("*.myhuaweicloud.com", "*.myhuaweicloud.eu")


# --- pod identity


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("http://169.254.170.23/v1/credentials", "http://169.254.170.23/v1/credentials"),
        (" http://169.254.0.1:80/v1/ \n", "http://169.254.0.1:80/v1/"),
        ("http://[fe80::1]:8080/v1", "http://[fe80::1]:8080/v1"),
        ("http://127.0.0.1:18080/v1/credentials", "http://127.0.0.1:18080/v1/credentials"),
        ("HTTP://LocalHost:1/V1", "http://localhost:1/V1"),
        ("http://[::1]/v1", "http://[::1]/v1"),
        ("https://credentials.example.com/v1?cluster=a&x=1", "https://credentials.example.com/v1?cluster=a&x=1"),
        ("https://10.0.0.1/v1", "https://10.0.0.1/v1"),
    ],
)
def test_where_pod_identity_may_be(text: str, uri: str) -> None:
    """Https anywhere, http where it does not leave the node; path and query stay as they are."""
    assert check_pod_identity_uri(text) == uri
    assert str(httpx.URL(uri)) == uri.replace(":80/", "/")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("http://10.0.0.1/v1", id="http to a private address"),
        pytest.param("http://credentials.example.com/v1", id="http to a name"),
        pytest.param("http://169.254.1.1.example.com/v1", id="a name that looks link-local"),
        pytest.param("http://169.254.1.1@evil.example/v1", id="a user that looks link-local"),
        pytest.param("http://169.254.1/v1", id="an address in a short form"),
        pytest.param("http://2852001793/v1", id="an address as one number"),
        pytest.param("http://localhost.example.com/v1", id="a name that begins like this machine"),
        pytest.param("http://[::ffff:10.0.0.1]/v1", id="a private address inside another one"),
        pytest.param("169.254.1.1/v1", id="no scheme"),
        pytest.param("ftp://127.0.0.1/v1", id="another scheme"),
        pytest.param("file:///etc/passwd", id="a file"),
        pytest.param("https://x.example.com/v1#x", id="a fragment"),
        pytest.param("https://x.example.com/v1?x y", id="a blank"),
        pytest.param("https://x.example.com/v1?x\r\nX-Evil: 1", id="a line end"),
        pytest.param("https://x.example.com/../v1", id="a way up"),
        pytest.param("https://{region}.example.com/v1", id="a place for a region"),
        pytest.param("", id="nothing"),
    ],
)
def test_where_pod_identity_may_not_be(text: str) -> None:
    """The token of the service account would leave the node for everybody to read, or go astray."""
    with pytest.raises(EndpointError, match="must "):
        check_pod_identity_uri(text)
