# Apache Kafka in KRaft mode, one node, which is broker and controller.

# Who may log in on the SASL listeners, by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. Everything is allowed to the first, nothing to the second.
KAFKA_USER=pandaflow
KAFKA_PASSWORD=pandaflow-test
KAFKA_GUEST=guest
KAFKA_GUEST_PASSWORD=guest-test

# What the storage was made with. A set that was made with something else is made anew.
KAFKA_FORMAT="scram 256 512"

kafka_mark() { echo "$DIR/kafka/server.properties"; }
kafka_stop_signal() { echo TERM; }
kafka_start_again() { false; }

# Fetches the jars, once for each version of pom.xml.
kafka_install() {
    local libs=$DIR/kafka/libs log=$DIR/kafka/fetch.log
    need java default-jre-headless
    need openssl openssl
    cmp -s "$HERE/pom.xml" "$libs/pom.xml" && return
    need mvn maven
    mkdir -p "$DIR/kafka"
    rm -rf -- "$libs" "$libs.part"
    say "fetching Apache Kafka"
    mvn -q -B -f "$HERE/pom.xml" dependency:copy-dependencies -DoutputDirectory="$libs.part" >"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; fail "Maven could not fetch Apache Kafka; see $log"; }
    cp -- "$HERE/pom.xml" "$libs.part/"
    mv -- "$libs.part" "$libs"
}

kafka_java() { # class arguments...
    java -cp "$DIR/kafka/libs/*" -Dlog4j2.configurationFile="$HERE/log4j2.xml" "$@"
}

kafka_prepare() {
    local at=$DIR/kafka id
    make_certificates "$at/certificates"
    kafka_properties >"$at/server.properties"
    [ ! -s "$at/data/meta.properties" ] || [ "$(cat "$at/format" 2>/dev/null)" != "$KAFKA_FORMAT" ] || return 0
    rm -rf -- "$at/data"
    id=$(kafka_java kafka.tools.StorageTool random-uuid 2>/dev/null | tail -n 1)
    kafka_java kafka.tools.StorageTool format -t "$id" -c "$at/server.properties" \
        --add-scram "SCRAM-SHA-256=[name=$KAFKA_USER,password=$KAFKA_PASSWORD]" \
        --add-scram "SCRAM-SHA-512=[name=$KAFKA_USER,password=$KAFKA_PASSWORD]" \
        --add-scram "SCRAM-SHA-256=[name=$KAFKA_GUEST,password=$KAFKA_GUEST_PASSWORD]" >"$at/format.log" 2>&1 ||
        { tail -n 20 "$at/format.log" >&2; fail "Kafka's storage could not be made; see $at/format.log"; }
    echo "$KAFKA_FORMAT" >"$at/format"
}

kafka_properties() {
    local at=$DIR/kafka plain sasl tls both controller listener
    plain=$(port kafka plain) sasl=$(port kafka sasl) tls=$(port kafka tls) both=$(port kafka sasl_tls)
    controller=$(port kafka controller)
    cat <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAIN://127.0.0.1:$plain,SASL://127.0.0.1:$sasl,TLS://127.0.0.1:$tls,BOTH://127.0.0.1:$both,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAIN://127.0.0.1:$plain,SASL://127.0.0.1:$sasl,TLS://127.0.0.1:$tls,BOTH://127.0.0.1:$both
listener.security.protocol.map=PLAIN:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,BOTH:SASL_SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
log.dirs=$at/data

$(for listener in sasl both; do cat <<LISTENER
listener.name.$listener.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.$listener.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
    user_$KAFKA_USER="$KAFKA_PASSWORD" user_$KAFKA_GUEST="$KAFKA_GUEST_PASSWORD";
listener.name.$listener.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.$listener.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
LISTENER
done)
listener.name.tls.ssl.keystore.type=PEM
listener.name.tls.ssl.keystore.location=$at/certificates/server.pem
listener.name.both.ssl.keystore.type=PEM
listener.name.both.ssl.keystore.location=$at/certificates/server.pem

authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:$KAFKA_USER

# Topics are made by plan. One that is missing is to be an error, as it is in production.
auto.create.topics.enable=false

# One node: nothing is replicated.
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# Groups that settle in tenths of a second, and members that may be given up after one.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.heartbeat.interval.ms=100
group.consumer.heartbeat.interval.ms=300
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000

# A broker that crashed may come back as soon as its session has ended.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500

# Little memory and few threads.
num.network.threads=2
num.io.threads=4
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=16777216
END
}

kafka_launch() {
    launch kafka java -Xms128m -Xmx768m -cp "$DIR/kafka/libs/*" \
        -Dlog4j2.configurationFile="$HERE/log4j2.xml" kafka.Kafka "$(kafka_mark)"
}

# Up, by its log, and able to say which versions it speaks (request 18).
kafka_answers() {
    grep -q "Kafka Server started" "$DIR/kafka/log" 2>/dev/null || return 1
    ask "$(port kafka plain)" '\x00\x00\x00\x0e\x00\x12\x00\x00\x00\x00\x00\x07\x00\x04ping' 8 | od -An -tx1 | grep -q "00 00 00 07 *$"
}

kafka_env() {
    cat <<END
export PANDAFLOW_TEST_KAFKA=127.0.0.1:$(port kafka plain)
export PANDAFLOW_TEST_KAFKA_SASL=127.0.0.1:$(port kafka sasl)
export PANDAFLOW_TEST_KAFKA_USER=$KAFKA_USER
export PANDAFLOW_TEST_KAFKA_PASSWORD=$KAFKA_PASSWORD
export PANDAFLOW_TEST_KAFKA_GUEST=$KAFKA_GUEST
export PANDAFLOW_TEST_KAFKA_GUEST_PASSWORD=$KAFKA_GUEST_PASSWORD
export PANDAFLOW_TEST_KAFKA_TLS=127.0.0.1:$(port kafka tls)
export PANDAFLOW_TEST_KAFKA_SASL_TLS=127.0.0.1:$(port kafka sasl_tls)
export PANDAFLOW_TEST_KAFKA_TLS_CA='$DIR/kafka/certificates/ca.pem'
export PANDAFLOW_TEST_KAFKA_LIBS='$DIR/kafka/libs'
END
}
