"""Run by alembic; the connection comes from `schema.migrate`."""

from alembic import context

from siterecovery.protector.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
    render_as_batch=True,
)
context.run_migrations()
