"""The way in and out: a link becomes a session."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Query, Request, Response

from cloud_stub.page.context import Here, Me, go, render
from cloud_stub.page.door import SESSION_S, WrongPassword

router = APIRouter(tags=["entrance"])

Link = Annotated[str, Query(min_length=1, max_length=100)]


@router.get("/enter", responses={303: {"description": "come in"}})
def ask(request: Request, here: Here, link: Link) -> Response:
    """Open the page by a link; where there is a password, ask for it first."""
    if here.door.asks_password and here.door.knows(link):
        return render(request, "enter.html", link=link, wrong=False)
    return _enter(request, here, link, "")


@router.post("/enter", status_code=303, response_class=Response)
def enter(
    request: Request,
    here: Here,
    link: Annotated[str, Form(min_length=1, max_length=100)],
    password: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Open the page by a link and the password."""
    return _enter(request, here, link, password)


@router.post("/leave")
def leave(request: Request, here: Here, _me: Me) -> Response:
    """End the session."""
    here.door.leave(request.cookies.get(here.cookie, ""))
    request.state.session = None
    answer = render(request, "left_the_page.html")
    answer.delete_cookie(here.cookie)
    return answer


@router.get("/", status_code=303, response_class=Response)
def first(request: Request, _me: Me) -> Response:
    """The first room."""
    return go(request, "/live")


def _enter(request: Request, here: Here, link: str, password: str) -> Response:
    try:
        cookie = here.door.enter(link, password)
    except WrongPassword:
        return render(request, "enter.html", 403, link=link, wrong=True)
    if cookie is None:
        raise HTTPException(403, "That link was used before, or never was one. The terminal shows the next one.")
    answer = go(request, "/")
    answer.set_cookie(here.cookie, cookie, max_age=SESSION_S, httponly=True, samesite="strict", secure=here.tls)
    return answer
