"""What Prometheus asks for: numbers about the whole data folder, for whoever holds the token, and no session."""

from fastapi import APIRouter, Response

from cloud_stub import metrics
from cloud_stub.page.context import Here

router = APIRouter()


@router.get("/metrics", include_in_schema=False)
def counts(here: Here) -> Response:
    """The counts in Prometheus's text format."""
    with here.desk.house() as house, house.stores.read() as connection:
        text = metrics.metrics(connection, house.policy, house.clock.now())
    return Response(text, media_type=metrics.CONTENT_TYPE)
