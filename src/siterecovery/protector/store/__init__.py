"""Protector's database: SQLAlchemy tables, repositories, the SQL journal and lease, migrations. `base` is the promise."""
