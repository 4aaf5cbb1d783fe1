"""Every option of protector.conf, with its default, its limits and a sentence. `protector-manage config sample` prints them.

`[site:<name>]`, one section a peer, has the options of `[service_auth]` and `protector_endpoint`.
"""

from typing import Any

from oslo_config import cfg

DEFAULT = [
    cfg.StrOpt("site_name", required=True, help="The name by which this Protector's own site is registered."),
    cfg.BoolOpt("debug", default=False, help="Log more."),
    cfg.StrOpt("log_file", help="Where to log; standard error without it."),
    cfg.BoolOpt("log_json", default=False, help="One JSON object a line."),
    cfg.StrOpt("state_path", default="/var/lib/protector", help="Directory for what the service itself writes."),
]
API = [
    cfg.StrOpt("host", default="127.0.0.1", help="Address to listen on."),
    cfg.PortOpt("port", default=8788, help="Port to listen on; 0 takes a free one."),
    cfg.IntOpt("threads", default=16, min=1, max=512, help="Requests served at once."),
    cfg.IntOpt("max_body_size", default=1024 * 1024, min=1024, help="Bytes of a request's body."),
    cfg.IntOpt("max_document_size", default=64 * 1024 * 1024, min=65536, help="Bytes of a metadata document."),
    cfg.FloatOpt("requests_per_minute", default=1200, min=0, help="Per user and process; 0 is no limit."),
    cfg.FloatOpt("request_burst", default=200, min=1, help="Requests of a user that may come at once."),
    cfg.FloatOpt("failures_per_minute", default=60, min=0, help="Bad tokens per address; 0 is no limit."),
    cfg.IntOpt("page_size", default=100, min=1, max=1000, help="The most entries of one answer."),
]
ENGINE = [
    cfg.FloatOpt(
        "cleanup_timeout_seconds",
        default=300,
        help="How long to wait for one VM or volume to be deleted before it is recorded as failed. At least 60.",
    ),
    cfg.FloatOpt("cleanup_timeout_floor", default=60, min=1, help="The least cleanup_timeout_seconds; for tests only."),
    cfg.IntOpt("cleanup_retry_attempts", default=3, min=1, help="Attempts of an automatic deletion."),
    cfg.BoolOpt("cleanup_on_test_failover", default=True, help="test_cleanup deletes the test's VMs and volumes."),
    cfg.BoolOpt("retain_source_volumes_on_failover", default=False, help="Keep the source's volumes after a failover."),
    cfg.BoolOpt(
        "allow_hard_stop",
        default=False,
        help="Stop a VM hard that has not shut down within stop_timeout, which may cost its last writes; otherwise the move is taken back. "
        "A request may say otherwise (--allow-hard-stop).",
    ),
    cfg.FloatOpt("stop_timeout", default=300, min=1, help="Seconds for a VM to shut down."),
    cfg.FloatOpt("boot_timeout", default=900, min=1, help="Seconds for a VM to become ACTIVE."),
    cfg.FloatOpt("transfer_timeout", default=3600, min=1, help="Seconds for a snapshot to arrive at the other array."),
    cfg.FloatOpt(
        "lease_ttl", default=30, min=1, help="Seconds after which an engine that does not answer is replaced."
    ),
    cfg.FloatOpt("poll_interval", default=0.1, min=0.05, help="Seconds between two looks for new operations."),
    cfg.FloatOpt("duty_interval", default=5, min=0.1, help="Seconds between two looks after the groups at rest."),
    cfg.FloatOpt("connect_timeout", default=5, min=0.1, help="Seconds to wait for a connection to a cloud or array."),
    cfg.FloatOpt("call_timeout", default=60, min=0.5, help="Seconds to wait for an answer of a cloud or array."),
    cfg.FloatOpt(
        "server_call_timeout",
        default=60,
        min=0,
        help="Seconds a cloud may still work on a call that was given up. With call_timeout it is waited out at a take-over.",
    ),
    cfg.IntOpt("threads", default=64, min=1, max=1024, help="Calls under way at once."),
    cfg.IntOpt("operations", default=32, min=1, help="Operations run at once."),
]
DATABASE = [
    cfg.StrOpt(
        "connection",
        secret=True,
        default="sqlite:////var/lib/protector/protector.sqlite",
        help="SQLAlchemy URL: sqlite, mysql+pymysql or postgresql+psycopg.",
    ),
    cfg.IntOpt("pool_size", default=10, min=1, help="Connections kept."),
]
ACCESS = [
    cfg.StrOpt("auth_url", required=True, help="Keystone v3 endpoint of the site."),
    cfg.StrOpt("username", default="protector", help="The service user."),
    cfg.StrOpt("password", secret=True, required=True, help="Its password."),
    cfg.StrOpt("project_name", default="service", help="Its project."),
    cfg.StrOpt("user_domain_name", default="Default", help="Its domain."),
    cfg.StrOpt("project_domain_name", default="Default", help="Its project's domain."),
    cfg.StrOpt("region_name", help="Region to look endpoints up in."),
    cfg.StrOpt("interface", default="public", choices=["public", "internal", "admin"], help="Kind of endpoint."),
    cfg.StrOpt("cafile", help="CA bundle for the site's endpoints."),
    cfg.StrOpt("group_type", help="Cinder group type; the first with consistent_group_snapshot_enabled without it."),
]
PEER = [cfg.StrOpt("protector_endpoint", help="URL of the site's Protector, if its catalog does not tell.")]
STORAGE = [
    cfg.StrOpt(
        "driver",
        default="flasharray",
        choices=["flasharray", "PureStorageDriver", "mock", "MockStorageDriver"],
        help="Replication driver.",
    ),
    cfg.ListOpt(
        "allowed_array_urls", default=[], help="The arrays that a tenant's policy may name. No others are called."
    ),
    cfg.StrOpt("ca_file", help="CA bundle for the arrays."),
    cfg.BoolOpt("verify", default=True, help="Verify the arrays' certificates."),
    cfg.DictOpt("fingerprints", default={}, help="Array host → SHA-256 of its certificate, instead of a CA."),
    cfg.DictOpt("array_ids", default={}, help="Array host → the array's id, to notice another array at its address."),
    cfg.StrOpt("rest_ceiling", default="2.44", regex=r"^2\.\d+$", help="Newest REST version to use."),
    cfg.StrOpt("test_volume_type", help="Volume type of test failovers' volumes; the group's own without it."),
]
SYNC = [
    cfg.StrOpt(
        "mode",
        default="auto",
        choices=["auto", "server", "client"],
        help="How metadata reaches the peer: pushed by the server, or carried by the client.",
    ),
    cfg.FloatOpt("connect_timeout", default=4, min=0.1, help="Seconds to wait for a connection to the peer."),
    cfg.FloatOpt("read_timeout", default=20, min=0.5, help="Seconds to wait for the peer's answer."),
]
SECRETS = [
    cfg.StrOpt("key_file", help="Keys that seal array tokens in the database; <state_path>/secrets.key without it."),
    cfg.StrOpt("identity_key_file", help="Keys that sign what goes to the peer; <state_path>/identity.key without it."),
]
GROUPS: dict[str, list[Any]] = {
    "DEFAULT": DEFAULT,
    "api": API,
    "engine": ENGINE,
    "database": DATABASE,
    "service_auth": ACCESS,
    "storage": STORAGE,
    "sync": SYNC,
    "secrets": SECRETS,
}


def register(conf: cfg.ConfigOpts) -> None:
    for name, options in GROUPS.items():
        conf.register_opts(options, group=None if name == "DEFAULT" else name)
