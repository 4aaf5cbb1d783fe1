"""`pgctl config`: which kubeconfig context plays which role."""

import click

from siterecovery.kubevirt.clusters.base import BadAccess
from siterecovery.kubevirt.pgctl import configuration
from siterecovery.kubevirt.pgctl.configuration import Context, Role, Settings
from siterecovery.kubevirt.pgctl.errors import Precondition
from siterecovery.kubevirt.pgctl.options import Surroundings, printed
from siterecovery.kubevirt.pgctl.printing import Output, show, table
from siterecovery.kubevirt.pgctl.words import Words

_COLUMNS = ("ROLE", "CLUSTER", "SERVER", "KUBECONFIG", "CONTEXT", "ALIASES")


@click.group("config")
def config() -> None:
    """Which clusters pgctl talks to."""


@config.command("view")
@printed
@click.pass_obj
def view(around: Surroundings, output: Output) -> None:
    """Show the configuration and where each context leads. No credential is shown."""
    settings = configuration.load(around.path)
    configuration.require(settings, around.path)
    if not output.for_people:
        show(output, settings.model_dump(mode="json", by_alias=True))
        return
    click.echo(f"Configuration:  {around.path}")
    click.echo(f"Namespace:      {settings.namespace}")
    click.echo(f"Controllers in: {settings.controller_namespace}")
    rows = [_row(around, role, settings.contexts[role]) for role in Role if role in settings.contexts]
    click.echo(table(_COLUMNS, rows))


def _row(around: Surroundings, role: Role, context: Context) -> tuple[object, ...]:
    path = configuration.kubeconfig_of(context, around.environment)
    return role.value, context.cluster, _server(around, context), path, context.context, ",".join(context.aliases)


def _server(around: Surroundings, context: Context) -> str:
    try:
        return configuration.access_of(context, around.environment).server
    except BadAccess as error:
        return f"unusable: {error}"


@config.command("set-context")
@click.argument("role", type=Words(Role))
@click.option("--cluster", help="The cluster's name, as Failovers and groups call it.")
@click.option("--kubeconfig", type=click.Path(dir_okay=False), help="The file. [default: KUBECONFIG or ~/.kube/config]")
@click.option("--context", "context", help="A context of that file. [default: its current one]")
@click.option("--alias", "aliases", multiple=True, help="Another name of the cluster; may be given several times.")
@click.option("--remove", is_flag=True, help="Forget the cluster of this role.")
@click.option("--default-namespace", help="The namespace commands look in when none is given.")
@click.pass_obj
def set_context(
    around: Surroundings,
    role: Role,
    cluster: str | None,
    kubeconfig: str | None,
    context: str | None,
    aliases: tuple[str, ...],
    remove: bool,
    default_namespace: str | None,
) -> None:
    """Say which cluster plays ROLE. What is not given stays as it is."""
    settings = configuration.load(around.path)
    before = settings.contexts.get(role)
    if remove:
        contexts = {known: kept for known, kept in settings.contexts.items() if known is not role}
    else:
        name = cluster or (before.cluster if before else None)
        if name is None:
            raise click.UsageError(f"say how the {role} cluster is called: --cluster NAME")
        changes = {"cluster": name, "kubeconfig": _absolute(kubeconfig), "context": context, "aliases": list(aliases)}
        old = before.model_dump() if before else {}
        contexts = settings.contexts | {role: _checked(old | {key: value for key, value in changes.items() if value})}
    more = {"namespace": default_namespace} if default_namespace else {}
    _save(around, settings, contexts, more)
    click.echo(f"{role}: {'forgotten' if remove else contexts[role].cluster}, written to {around.path}")


def _absolute(path: str | None) -> str | None:
    """A relative file would be another one in another folder."""
    return str(click.Path(resolve_path=True).convert(path, None, None)) if path and not path.startswith("~") else path


def _checked(fields: dict[str, object]) -> Context:
    try:
        return Context.model_validate(fields)
    except ValueError as error:
        raise click.UsageError(_first(error)) from error


def _save(around: Surroundings, settings: Settings, contexts: dict[Role, Context], more: dict[str, str]) -> None:
    try:
        whole = {"contexts": {role.value: context.model_dump() for role, context in contexts.items()}}
        changed = Settings.model_validate(settings.model_dump(mode="json") | whole | more)
    except ValueError as error:
        raise Precondition(_first(error)) from error
    configuration.save(around.path, changed)


def _first(error: ValueError) -> str:
    """The sentence of pydantic's first finding."""
    found = getattr(error, "errors", None)
    if found is None:
        return str(error)
    item = found(include_input=False, include_url=False)[0]
    at = ".".join(map(str, item["loc"]))
    return f"{at}: {item['msg']}" if at else str(item["msg"])
