"""Models over HTTP: everything that a run may name."""

from understudy.api.ask import Ask, Reply
from understudy.api.views import show_struct
from understudy.errors import NotFound
from understudy.wire.encoding import encode
from understudy.wire.objects.models import Model


async def list_(ask: Ask) -> Reply:
    """List the models of all upstreams, and the aliases."""
    models = [encode(_model(info.id, info.owned_by)) for info in await ask.ports.models.models()]
    return Reply(body=b'{"object":"list","data":[' + b",".join(models) + b"]}")


async def retrieve(ask: Ask) -> Reply:
    """Retrieve one model."""
    name = ask.text("model")
    for info in await ask.ports.models.models():
        if info.id == name:
            return show_struct(_model(info.id, info.owned_by))
    raise NotFound(f"The model '{name}' does not exist", param="model", code="model_not_found")


def _model(model_id: str, owned_by: str) -> Model:
    return Model(id=model_id, owned_by=owned_by)
