"""Who gets into the dashboard: password, cookie, CSRF token, role."""

from __future__ import annotations

import pytest
from flask_jwt_extended import create_access_token, create_refresh_token

from .conftest import PASSWORD, CallCentre

PAGES = ["/", "/calls", "/calls/s-long", "/calls/s-long/sources", "/live"]
CHANGES = ["/calls/s-long/rotate", "/calls/s-long/revoke", "/sources/0"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_without_a_login_leads_to_the_login(centre: CallCentre, path: str) -> None:
    reply = centre.client.get(path)

    assert (reply.status_code, reply.headers["Location"]) == (302, "/login")


def test_the_live_view_without_a_login_is_401_so_that_its_page_can_say_so(centre: CallCentre) -> None:
    assert centre.client.get("/live/activity").status_code == 401


@pytest.mark.parametrize("path", CHANGES)
def test_nothing_is_changed_without_a_login(centre: CallCentre, path: str) -> None:
    link = centre.link("s-long")

    reply = centre.client.post(path, data={"state": "off"})

    assert reply.status_code == 401
    assert centre.link("s-long") == link
    assert centre.storage.is_in


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("admin", "wrong"),
        ("admin", ""),
        ("Admin", PASSWORD),
        ("", ""),
        ("admin", PASSWORD + "\x00"),
        ("admin", "ü" * 9999),
    ],
)
def test_a_wrong_user_or_password_is_401_without_a_cookie(centre: CallCentre, user: str, password: str) -> None:
    for path in ("/login", "/token"):
        reply = centre.client.post(path, data={"user": user, "password": password})
        assert reply.status_code == 401
        assert "Set-Cookie" not in reply.headers


def test_the_login_is_an_http_only_cookie_that_other_sites_do_not_send(centre: CallCentre) -> None:
    reply = centre.client.post("/login", data={"user": "admin", "password": PASSWORD})

    [cookie] = [cookie for cookie in reply.headers.getlist("Set-Cookie") if cookie.startswith("access_token_cookie=")]
    assert "; HttpOnly" in cookie
    assert "; SameSite=Lax" in cookie
    assert centre.client.get("/login").headers["Location"] == "/calls"


def test_the_cookie_plays_recordings_on_the_admin_route(centre: CallCentre) -> None:
    assert centre.client.get("/api/v1/recordings/s-url").status_code == 401
    centre.log_in()
    assert centre.client.get("/api/v1/recordings/s-url", headers={"Range": "bytes=0-3"}).data == b"RIFF"


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("csrf", ["", "wrong", "00000000-0000-0000-0000-000000000000"])
def test_a_wrong_csrf_token_changes_nothing(centre: CallCentre, path: str, csrf: str) -> None:
    centre.log_in()
    link = centre.link("s-long")

    reply = centre.post(path, csrf, state="off")

    assert reply.status_code == 403
    assert "CSRF" in reply.get_data(as_text=True)
    assert centre.link("s-long") == link
    assert centre.storage.is_in


def test_the_csrf_token_of_the_page_or_of_a_header_is_right(centre: CallCentre) -> None:
    csrf = centre.log_in()

    assert f'name="csrf_token" value="{csrf}"' in centre.client.get("/calls/s-long").get_data(as_text=True)
    assert centre.post("/calls/s-long/rotate", csrf).status_code == 303
    assert centre.client.post("/calls/s-long/rotate", headers={"X-CSRF-TOKEN": csrf}).status_code == 303


def test_logging_out_needs_the_csrf_token_too(centre: CallCentre) -> None:
    csrf = centre.log_in()

    centre.post("/logout", "wrong")
    assert centre.client.get("/calls").status_code == 200
    centre.post("/logout", csrf)
    assert centre.client.get("/calls").status_code == 302


def test_a_token_of_somebody_who_is_no_administrator_is_403(centre: CallCentre) -> None:
    with centre.app.app_context():
        token = create_access_token("eve", additional_claims={"role": "agent"})

    assert centre.client.get("/calls", headers={"Authorization": f"Bearer {token}"}).status_code == 403


@pytest.mark.parametrize("header", ["Bearer x.y.z", "Bearer", " , ", "Basic YTpi", "Bearer refresh"])
def test_what_is_no_access_token_leads_to_the_login(centre: CallCentre, header: str) -> None:
    with centre.app.app_context():
        header = header.replace("refresh", create_refresh_token("admin", additional_claims={"role": "admin"}))

    assert centre.client.get("/calls", headers={"Authorization": header}).status_code == 302


@pytest.mark.parametrize("cookie", ["x", "a.b.c", "ü", "eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ."])
def test_a_forged_cookie_leads_to_the_login(centre: CallCentre, cookie: str) -> None:
    centre.client.set_cookie("access_token_cookie", cookie)

    assert centre.client.get("/calls").headers["Location"] == "/login"
    assert centre.client.get("/login").status_code == 200
