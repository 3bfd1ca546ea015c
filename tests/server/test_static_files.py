"""The live page as it is served: which paths there are, what stands in the headers, and that it needs nobody else."""

import gzip
import json
import re
import struct
from http import HTTPStatus
from importlib import resources
from itertools import chain
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import urljoin

import pytest
from teslafast.http_messages import Answer, Request
from teslafast.server import static_files

PAGES = static_files.answers()
FILES = dict(static_files.files())
SCRIPTS = sorted(name for name in FILES if name.endswith(".js"))
MOST_BYTES = 150_000  # of the whole page as it is sent, packed, its font among it: less than one photograph …
MOST_SOURCE_BYTES = 280_000  # … and as it stands in its files, with their comments
LATER = (".png", ".webmanifest")  # fetched when the page is put on a home screen, and never before

ROOMS = ("model", "stream", "views", "replay", "app")  # a module imports from its own room and from those before it


def imports(name: str) -> set[str]:
    """The modules that a module imports, as paths below `web/`."""
    named = re.findall(r"^import .* from \"(.+)\";$", FILES[name].decode(), re.MULTILINE)
    assert len(named) == len(re.findall(rb"\bimport\b", re.sub(rb"/\*.*?\*/|//.*", b"", FILES[name], flags=re.DOTALL))), name
    return {normpath(join(dirname(name), path)) for path in named}


def get(path: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): [value] for name, value in headers.items()}
    return PAGES[path](Request("GET", path, named), None)


def header(answer: Answer, name: str) -> str | None:
    values = [value for known, value in answer.headers if known == name]
    assert len(values) <= 1
    return values[0] if values else None


def policy(answer: Answer) -> dict[str, str]:
    stated = header(answer, "Content-Security-Policy") or ""
    return {name: rest for name, _, rest in (rule.strip().partition(" ") for rule in stated.split(";"))}


def test_the_root_is_the_page_and_every_other_file_is_under_web() -> None:
    assert get("/").content_type == "text/html; charset=utf-8"
    assert set(PAGES) == {"/"} | {f"/web/{name}" for name in FILES if name != "index.html"}


@pytest.mark.parametrize(
    "path",
    [
        "/web/",
        "/web/app",
        "/web/app/",
        "/web/main.js",
        "/web/index.html",
        "/web/package.json",
        "/web/__init__.py",
        "/web/../__main__.py",
        "/web/app/../app/main.js",
        "/web/%2e%2e/__main__.py",
        "//",
    ],
)
def test_nothing_else_has_a_path(path: str) -> None:
    assert path not in PAGES


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_carries_the_isolating_headers(path: str) -> None:
    answer = get(path)
    assert answer.status is HTTPStatus.OK
    assert header(answer, "Referrer-Policy") == "no-referrer"
    assert header(answer, "X-Frame-Options") == "DENY"
    assert policy(answer)["default-src"] == "'none'"
    assert policy(answer)["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("path", PAGES)
def test_home_assistants_ingress_may_frame_the_page_in_its_own_origin(path: str) -> None:
    answer = get(path, x_ingress_path="/api/hassio_ingress/abc")
    assert header(answer, "X-Frame-Options") == "SAMEORIGIN"
    assert policy(answer)["frame-ancestors"] == "'self'"
    assert policy(answer)["default-src"] == "'none'"


def test_the_link_to_a_map_is_the_servers_and_nobody_else_is_asked() -> None:
    assert b'<meta name="map-link" content="https://www.openstreetmap.org/?mlat={latitude}&amp;mlon={longitude}' in get("/").body
    assert "openstreetmap" not in (header(get("/"), "Content-Security-Policy") or "")


def test_the_font_is_in_the_page_with_its_licence() -> None:
    assert get("/web/fonts/inter.woff2").content_type == "font/woff2"
    assert len(FILES["fonts/inter.woff2"]) < 40_000
    licence = resources.files("teslafast.web") / "fonts" / "OFL.txt"
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence.read_text()


@pytest.mark.parametrize("path", PAGES)
def test_the_policy_allows_this_host_only(path: str) -> None:
    sources = set(chain.from_iterable(rest.split() for name, rest in policy(get(path)).items() if name.endswith("-src")))
    assert sources == {"'self'", "'none'"}


def test_a_tile_address_is_in_the_page_and_its_host_is_allowed_for_images_only() -> None:
    pages = static_files.answers('https://tiles.example.com:8443/{z}/{x}/{y}.png?key="1"', "© A & B")
    found = pages["/"](Request("GET", "/", {}), None)
    said = b'content="https://tiles.example.com:8443/{z}/{x}/{y}.png?key=&quot;1&quot;" data-credit="\xc2\xa9 A &amp; B"></head>'
    assert said in found.body.replace(b"\n", b"")
    assert policy(found)["img-src"] == "'self' https://tiles.example.com:8443"
    assert policy(found)["connect-src"] == policy(found)["script-src"] == "'self'"


@pytest.mark.parametrize("path", PAGES)
def test_a_client_that_accepts_gzip_gets_the_same_content_in_fewer_bytes(path: str) -> None:
    plain, packed = get(path), get(path, accept_encoding="br, gzip;q=0.8")
    assert header(plain, "Content-Encoding") is None
    assert header(packed, "Content-Encoding") == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert header(packed, "Vary") == "Accept-Encoding"


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip; q=0.0", "identity, deflate"])
def test_a_client_that_does_not_accept_gzip_gets_plain_bytes(accepted: str) -> None:
    assert header(get("/", accept_encoding=accepted), "Content-Encoding") is None


@pytest.mark.parametrize("wrap", ["{}", "W/{}", '"other", {}'])
def test_a_client_with_a_matching_etag_is_answered_304(wrap: str) -> None:
    tag = header(get("/"), "ETag")
    again = get("/", if_none_match=wrap.format(tag))
    assert (again.status, again.body) == (HTTPStatus.NOT_MODIFIED, b"")
    assert header(again, "ETag") == tag


def test_another_content_has_another_tag() -> None:
    assert get("/", if_none_match=str(header(get("/web/app/main.js"), "ETag"))).status is HTTPStatus.OK


def test_the_page_is_small() -> None:
    assert sum(len(get(path, accept_encoding="gzip").body) for path in PAGES if not path.endswith(LATER)) < MOST_BYTES
    assert sum(len(content) for name, content in FILES.items() if not name.endswith(LATER)) < MOST_SOURCE_BYTES


def test_the_page_names_no_other_host() -> None:
    hosts = set(re.findall(rb"(?:https?|wss?):?//([^\s\"'`/]+)", b"".join(FILES.values())))
    assert hosts == {b"www.w3.org"}  # the name of SVG's language, which nobody fetches


def test_nothing_is_inline_and_nothing_parses_text_as_html() -> None:
    assert not re.search(rb"<style|<script>|\sstyle=|\son[a-z]+=", FILES["index.html"])
    for name in SCRIPTS:
        assert not re.search(rb"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", FILES[name]), name


def test_every_file_that_the_page_requests_is_in_the_table() -> None:
    asked = set(re.findall(rb"(?:href|src)=\"(web/[^\"]+)\"", FILES["index.html"]))
    assert {f"/{path.decode()}" for path in asked} <= set(PAGES)
    for name in SCRIPTS:
        assert imports(name) <= set(SCRIPTS), name


def test_every_file_of_the_page_is_reached_from_its_index() -> None:
    reached: set[str] = set()
    ahead = {path.decode() for path in re.findall(rb"(?:href|src)=\"web/([^\"]+)\"", FILES["index.html"])}
    while ahead:
        reached |= ahead
        ahead = {found for name in ahead if name.endswith(".js") for found in imports(name)} - reached
    reached |= {icon["src"] for icon in json.loads(FILES["manifest.webmanifest"])["icons"]}
    assert reached == set(FILES) - {"index.html"}


def test_the_manifest_lets_the_page_stand_on_a_home_screen_also_below_a_base_path() -> None:
    answer = get("/web/manifest.webmanifest")
    assert answer.content_type == "application/manifest+json"
    manifest = json.loads(answer.body)
    assert (manifest["display"], manifest["name"]) == ("standalone", "teslafast")
    at = "https://host/car/web/manifest.webmanifest"
    assert {urljoin(at, manifest[name]) for name in ("start_url", "scope", "id")} == {"https://host/car/"}
    icons = [icon for icon in manifest["icons"] if icon["type"] == "image/png"]
    for icon in icons:
        size = struct.unpack(">II", FILES[icon["src"]][16:24])  # PNG: the header's first two numbers
        assert icon["sizes"] == "{}x{}".format(*size)
    assert {icon["sizes"] for icon in icons} >= {"192x192", "512x512"}
    assert "maskable" in {icon["purpose"] for icon in icons}
    assert policy(answer)["manifest-src"] == "'self'"


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_module_imports_from_its_own_room_and_lower_ones(name: str) -> None:
    allowed = ROOMS[: ROOMS.index(dirname(name)) + 1]
    assert {dirname(imported) for imported in imports(name)} <= set(allowed)


def test_a_walk_takes_files_one_folder_deep_and_leaves_out_what_is_not_the_pages(tmp_path: Path) -> None:
    for path in (
        "index.html",
        "app/main.js",
        "app/deep/er.js",
        "__pycache__/x.js",
        ".DS_Store",
        ".x/y.js",
        "a b.js",
        "notes.txt",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "app" / "round").symlink_to(tmp_path)
    assert dict(static_files.walk(tmp_path)) == {name: name.encode() for name in ("index.html", "app/main.js")}


def test_every_module_is_preloaded() -> None:
    assert re.findall(rb"<link rel=\"modulepreload\" href=\"web/([^\"]+)\">", get("/").body) == [
        name.encode() for name in SCRIPTS
    ]
