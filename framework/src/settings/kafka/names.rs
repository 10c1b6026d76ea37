//! The properties of librdkafka by name: which are passed through to what, and which are refused, and why.

use super::PropertyScope::{self, Both, Consumer, Producer};

/// Properties that are passed through, and who takes them.
pub(super) const PASSED: &[(&str, PropertyScope)] = &[
    ("api.version.fallback.ms", Both),
    ("api.version.request", Both),
    ("api.version.request.timeout.ms", Both),
    ("batch.num.messages", Producer),
    ("batch.size", Producer),
    ("broker.address.family", Both),
    ("broker.address.ttl", Both),
    ("broker.version.fallback", Both),
    ("check.crcs", Consumer),
    ("client.dns.lookup", Both),
    ("client.rack", Both),
    ("compression.level", Producer),
    ("connections.max.idle.ms", Both),
    ("coordinator.query.interval.ms", Consumer),
    ("debug", Both),
    ("delivery.timeout.ms", Producer),
    ("enable.gapless.guarantee", Producer),
    ("enable.metrics.push", Both),
    ("enable.random.seed", Both),
    ("enable.ssl.certificate.verification", Both),
    ("fetch.error.backoff.ms", Consumer),
    ("fetch.max.bytes", Consumer),
    ("fetch.message.max.bytes", Consumer),
    ("fetch.min.bytes", Consumer),
    ("fetch.queue.backoff.ms", Consumer),
    ("fetch.wait.max.ms", Consumer),
    ("internal.termination.signal", Both),
    ("log.connection.close", Both),
    ("log.thread.name", Both),
    ("log_level", Both),
    ("max.in.flight", Both),
    ("max.in.flight.requests.per.connection", Both),
    ("max.partition.fetch.bytes", Consumer),
    ("message.copy.max.bytes", Both),
    ("message.max.bytes", Both),
    ("message.send.max.retries", Producer),
    ("message.timeout.ms", Producer),
    ("metadata.max.age.ms", Both),
    ("metadata.recovery.rebootstrap.trigger.ms", Both),
    ("metadata.recovery.strategy", Both),
    ("produce.offset.report", Producer),
    ("queue.buffering.backpressure.threshold", Producer),
    ("queue.buffering.max.kbytes", Producer),
    ("queue.buffering.max.messages", Producer),
    ("queued.min.messages", Consumer),
    ("queuing.strategy", Producer),
    ("receive.message.max.bytes", Both),
    ("reconnect.backoff.jitter.ms", Both),
    ("reconnect.backoff.max.ms", Both),
    ("reconnect.backoff.ms", Both),
    ("request.timeout.ms", Producer),
    ("retries", Producer),
    ("retry.backoff.max.ms", Both),
    ("retry.backoff.ms", Both),
    ("socket.blocking.max.ms", Both),
    ("socket.connection.setup.timeout.ms", Both),
    ("socket.keepalive.enable", Both),
    ("socket.max.fails", Both),
    ("socket.nagle.disable", Both),
    ("socket.receive.buffer.bytes", Both),
    ("socket.send.buffer.bytes", Both),
    ("socket.timeout.ms", Both),
    ("ssl.ca.certificate.stores", Both),
    ("ssl.ca.pem", Both),
    ("ssl.certificate.pem", Both),
    ("ssl.cipher.suites", Both),
    ("ssl.crl.location", Both),
    ("ssl.curves.list", Both),
    ("ssl.endpoint.identification.algorithm", Both),
    ("ssl.key.pem", Both),
    ("ssl.keystore.location", Both),
    ("ssl.keystore.password", Both),
    ("ssl.sigalgs.list", Both),
    ("statistics.interval.ms", Both),
    ("sticky.partitioning.linger.ms", Producer),
    ("topic.metadata.propagation.max.ms", Both),
    ("topic.metadata.refresh.fast.cnt", Both),
    ("topic.metadata.refresh.fast.interval.ms", Both),
    ("topic.metadata.refresh.interval.ms", Both),
    ("topic.metadata.refresh.sparse", Both),
];

/// Those of them whose values are never shown.
pub(super) const SECRET: &[&str] = &["ssl.key.pem", "ssl.keystore.password"];

/// Properties that have a setting of their own, by its name.
pub(super) const OWN: &[(&str, &str)] = &[
    ("bootstrap.servers", "KAFKA__BOOTSTRAP_SERVERS"),
    ("client.id", "KAFKA__CLIENT_ID"),
    ("compression.codec", "KAFKA__COMPRESSION"),
    ("compression.type", "KAFKA__COMPRESSION"),
    ("group.instance.id", "KAFKA__INSTANCE_ID"),
    ("group.protocol", "KAFKA__GROUP_PROTOCOL"),
    ("heartbeat.interval.ms", "KAFKA__HEARTBEAT_INTERVAL"),
    ("linger.ms", "KAFKA__LINGER"),
    ("max.poll.interval.ms", "KAFKA__MAX_POLL_INTERVAL"),
    ("metadata.broker.list", "KAFKA__BOOTSTRAP_SERVERS"),
    ("queue.buffering.max.ms", "KAFKA__LINGER"),
    ("queued.max.messages.kbytes", "KAFKA__FETCH_AHEAD"),
    ("sasl.mechanism", "KAFKA__SASL_MECHANISM"),
    ("sasl.mechanisms", "KAFKA__SASL_MECHANISM"),
    ("sasl.password", "KAFKA__SASL_PASSWORD"),
    ("sasl.username", "KAFKA__SASL_USERNAME"),
    ("security.protocol", "KAFKA__SECURITY_PROTOCOL"),
    ("session.timeout.ms", "KAFKA__SESSION_TIMEOUT"),
    ("ssl.ca.location", "KAFKA__SSL_CA_LOCATION"),
    ("ssl.certificate.location", "KAFKA__SSL_CERTIFICATE_LOCATION"),
    ("ssl.key.location", "KAFKA__SSL_KEY_LOCATION"),
    ("ssl.key.password", "KAFKA__SSL_KEY_PASSWORD"),
    ("transaction.timeout.ms", "KAFKA__TRANSACTION_TIMEOUT"),
];

/// Properties that are refused, and why.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("acks", ACKS),
    ("allow.auto.create.topics", CREATE),
    ("auto.commit.enable", COMMITS),
    ("auto.commit.interval.ms", COMMITS),
    ("auto.offset.reset", RESET),
    ("consume.callback.max.messages", CALLBACK),
    ("delivery.report.only.error", REPORTS),
    ("enable.auto.commit", COMMITS),
    ("enable.auto.offset.store", COMMITS),
    ("enable.idempotence", IDEMPOTENCE),
    ("enable.partition.eof", EOF),
    ("enable.sasl.oauthbearer.unsecure.jwt", OAUTH),
    ("group.id", GROUP),
    ("group.protocol.type", GROUP_TYPE),
    ("group.remote.assignor", ASSIGNOR),
    ("https.ca.location", OAUTH),
    ("https.ca.pem", OAUTH),
    ("isolation.level", ISOLATION),
    ("log.queue", LOGS),
    ("offset.store.method", COMMITS),
    ("offset.store.path", COMMITS),
    ("offset.store.sync.interval.ms", COMMITS),
    ("partition.assignment.strategy", ASSIGNOR),
    ("partitioner", PARTITIONER),
    ("plugin.library.paths", CODE),
    ("request.required.acks", ACKS),
    ("sasl.kerberos.keytab", KERBEROS),
    ("sasl.kerberos.kinit.cmd", KERBEROS),
    ("sasl.kerberos.min.time.before.relogin", KERBEROS),
    ("sasl.kerberos.principal", KERBEROS),
    ("sasl.kerberos.service.name", KERBEROS),
    ("sasl.oauthbearer.assertion.algorithm", OAUTH),
    ("sasl.oauthbearer.assertion.claim.aud", OAUTH),
    ("sasl.oauthbearer.assertion.claim.exp.seconds", OAUTH),
    ("sasl.oauthbearer.assertion.claim.iss", OAUTH),
    ("sasl.oauthbearer.assertion.claim.jti.include", OAUTH),
    ("sasl.oauthbearer.assertion.claim.nbf.seconds", OAUTH),
    ("sasl.oauthbearer.assertion.claim.sub", OAUTH),
    ("sasl.oauthbearer.assertion.file", OAUTH),
    ("sasl.oauthbearer.assertion.jwt.template.file", OAUTH),
    ("sasl.oauthbearer.assertion.private.key.file", OAUTH),
    ("sasl.oauthbearer.assertion.private.key.passphrase", OAUTH),
    ("sasl.oauthbearer.assertion.private.key.pem", OAUTH),
    ("sasl.oauthbearer.client.credentials.client.id", OAUTH),
    ("sasl.oauthbearer.client.credentials.client.secret", OAUTH),
    ("sasl.oauthbearer.client.id", OAUTH),
    ("sasl.oauthbearer.client.secret", OAUTH),
    ("sasl.oauthbearer.config", OAUTH),
    ("sasl.oauthbearer.extensions", OAUTH),
    ("sasl.oauthbearer.grant.type", OAUTH),
    ("sasl.oauthbearer.metadata.authentication.type", OAUTH),
    ("sasl.oauthbearer.method", OAUTH),
    ("sasl.oauthbearer.scope", OAUTH),
    ("sasl.oauthbearer.token.endpoint.url", OAUTH),
    ("ssl.engine.id", CODE),
    ("ssl.engine.location", CODE),
    ("ssl.providers", CODE),
    ("topic.blacklist", BLACKLIST),
    ("transactional.id", TRANSACTIONAL),
];

const COMMITS: &str = "an offset is committed once everything before it is settled; a commit by itself would pass events that are not, and lose them";
const ISOLATION: &str =
    "what a transaction has not committed may never have happened; consumers read what is committed";
const ACKS: &str = "an output counts as written once all replicas that are in sync have it (acks=all); with fewer it can be lost";
const IDEMPOTENCE: &str = "without it a record that is sent again could be there twice, or in another order";
const REPORTS: &str =
    "an event is settled once its outputs are reported as written; without these reports none would be";
const CODE: &str = "it loads code into the program";
const TRANSACTIONAL: &str = "it is made of the group and its member or partition: two producers under one name would fence each other";
const GROUP: &str = "it is made of KAFKA__GROUP_ID_PREFIX, the namespace and the processor's name";
const GROUP_TYPE: &str = "groups are of the type consumer";
const ASSIGNOR: &str = "partition n of all inputs of a processor has to go to the same process; another strategy would part them";
const RESET: &str = "a group that has not committed begins with the first record; at the end it would pass what is there already";
const PARTITIONER: &str =
    "the partition of a key is the same in all transports (murmur2); another would tear a key's events apart";
const EOF: &str = "it is set where it is needed: where state is restored";
const CREATE: &str =
    "topics are made with their declared partitions and retention, at start or by `topics apply`";
const BLACKLIST: &str = "a topic that is hidden looks as if it were missing";
const LOGS: &str = "the client's log lines go into the program's log";
const CALLBACK: &str = "no consumer here calls back";
const KERBEROS: &str =
    "Kerberos is not built in; write PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 for KAFKA__SASL_MECHANISM";
const OAUTH: &str =
    "OAUTHBEARER is not built in; write PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 for KAFKA__SASL_MECHANISM";
