"""Settings: the household's own, the policy in plain words, everything in one archive, and the end of the account."""

import io
import zipfile
from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, Request, Response

from cloud_stub import wishes
from cloud_stub.answers import export
from cloud_stub.page.context import Here, Me, go, render
from cloud_stub.retention import explain

router = APIRouter(tags=["settings"])

#: What each setting is called, and its values in words.
WORDS = {
    "auto_delete": (
        "Delete by itself what I said",
        {"never": "never", "P3M": "after 3 months", "P18M": "after 18 months"},
    ),
    "save_recordings": ("Save recordings of my voice", {"yes": "yes", "no": "no"}),
    "use_for_improvement": ("Use my recordings to improve the service", {"yes": "yes", "no": "no"}),
    "delete_by_voice": ("Let me delete by voice", {"yes": "yes", "no": "no"}),
}


@router.get("/settings")
def shown(request: Request, here: Here, me: Me) -> Response:
    """The settings in force, and the policy that they are parameters of."""
    with here.desk.house() as house:
        own = wishes.settings(house, me.account)
        lines = list(explain.explain(house.policy))
    return render(request, "settings.html", room="settings", own=own, choices=WORDS, lines=lines, policy=house.policy)


@router.post("/settings", status_code=303, response_class=Response)
def change(
    request: Request,
    here: Here,
    me: Me,
    name: Annotated[Literal["auto_delete", "save_recordings", "use_for_improvement", "delete_by_voice"], Form()],
    value: Annotated[Literal["never", "P3M", "P18M", "yes", "no"], Form()],
    csrf: Annotated[str, Form()] = "",  # noqa: ARG001 - checked for every form
) -> Response:
    """Change a setting; what it takes back is taken back at once."""
    with here.desk.house() as house:
        wishes.change_setting(house, me.account, name, value)
    words, values = WORDS[name]
    return go(request, "/settings", f"{words}: {values.get(value, value)}.")


@router.get("/export", responses={200: {"content": {"application/zip": {}}}}, response_class=Response)
def exported(here: Here, me: Me) -> Response:
    """Everything of the account in one archive. It never lies on our disk."""
    packed = io.BytesIO()
    with here.desk.house() as house, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        export.pack(house, me.account, archive)
    headers = {"content-disposition": 'attachment; filename="residual-echo.zip"'}
    return Response(packed.getvalue(), media_type="application/zip", headers=headers)


@router.get("/close")
def planned(request: Request, here: Here, me: Me) -> Response:
    """What closing the account would do. Nothing is carried out."""
    with here.desk.house() as house:
        steps = wishes.plan(house, wishes.closing(house, me.account))
    return render(request, "close.html", room="settings", steps=steps, policy=house.policy)


@router.post("/close", status_code=303, response_class=Response)
def close(
    request: Request,
    here: Here,
    me: Me,
    account: Annotated[str, Form(min_length=1, max_length=100)],
    csrf: Annotated[str, Form()] = "",  # noqa: ARG001 - checked for every form
) -> Response:
    """Close the account for good; its name has to be written out."""
    if account != me.account:
        raise HTTPException(409, f"To close the account, write its name: {me.account}.")
    with here.desk.house() as house:
        scope = wishes.close_account(house, me.account)
    me.deletions.add(scope.id)
    return go(
        request, f"/receipts/{scope.id}", "The account is closed. Nothing that is said is taken from it any more."
    )
