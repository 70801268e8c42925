"""The application: every room behind one guard, described by OpenAPI."""

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser
from starlette.routing import Match

from cloud_stub.errors import CloudError
from cloud_stub.page.context import FOLDER, Page, from_our_form, render
from cloud_stub.page.guard import MAX_UPLOAD_BYTES
from cloud_stub.page.rooms import compare, counts, devices, entrance, history, left, live, settings
from cloud_stub.stores.sqlite import ErasureNotPhysical

# What is uploaded must not lie in a temporary file.
MultiPartParser.spool_max_size = MAX_UPLOAD_BYTES

#: What any room may answer, as the guard does before it.
ANSWERS = {
    400: "no request that can be read",
    401: "no session",
    403: "a form of another session or another site",
    404: "there is none of the account's",
    405: "no such method",
    409: "it cannot be done, and why",
    413: "too long",
    421: "another host's name",
    422: "a value that is none",
}


def application(page: Page) -> FastAPI:
    """All rooms. The caller puts the guard before them."""
    app = FastAPI(
        title="Residual Echo's privacy page",
        version="1",
        docs_url=None,
        redoc_url=None,
        default_response_class=HTMLResponse,
        dependencies=[Depends(from_our_form)],
        responses={status: {"description": says, "content": {"text/html": {}}} for status, says in ANSWERS.items()},
    )
    app.state.page = page
    for room in (entrance, live, history, left, compare, settings, devices, counts):
        app.include_router(room.router)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> HTMLResponse:
        answer = render(request, "refused.html", error.status_code, says=error.detail)
        answer.headers.update(error.headers or {})
        if error.status_code == 405:
            # The router names the first route's methods only.
            here = [route for route in app.routes if route.matches(request.scope)[0] is not Match.NONE]
            answer.headers["allow"] = ", ".join(
                sorted({name for route in here for name in getattr(route, "methods", ())})
            )
        return answer

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> HTMLResponse:
        says = "; ".join(f"{wrong['loc'][-1]}: {wrong['msg']}" for wrong in error.errors())
        return render(request, "refused.html", 422, says=says)

    @app.exception_handler(CloudError)
    async def impossible(request: Request, error: CloudError) -> HTMLResponse:
        return render(request, "refused.html", 409, says=str(error))

    @app.exception_handler(ErasureNotPhysical)
    async def not_yet(request: Request, error: ErasureNotPhysical) -> HTMLResponse:
        return render(request, "refused.html", 409, says=str(error))

    return app
