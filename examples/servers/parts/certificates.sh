# A certificate authority of our own and a certificate by it for 127.0.0.1, for Kafka's TLS listener.

# Makes ca.pem (what clients trust) and server.pem (key and certificate, for the broker) in FOLDER, once.
make_certificates() { # folder
    local at=$1
    [ ! -s "$at/server.pem" ] || return 0
    rm -rf -- "$at"
    mkdir -p "$at"
    (
        umask 077
        cd "$at"
        openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj "/CN=pandaflow test CA" \
            -addext "basicConstraints=critical,CA:TRUE" -keyout ca.key -out ca.pem
        openssl req -newkey rsa:2048 -nodes -sha256 -subj "/CN=127.0.0.1" -keyout server.key -out server.csr
        printf '%s\n' "subjectAltName=IP:127.0.0.1,DNS:localhost" "extendedKeyUsage=serverAuth" >server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -sha256 -days 3650 -extfile server.ext -out server.crt
        openssl pkcs8 -topk8 -nocrypt -in server.key -out server.p8
        cat server.p8 server.crt ca.pem >server.part
        mv server.part server.pem
    ) >"$at/log" 2>&1 || { tail -n 5 "$at/log" >&2; fail "openssl could not make the certificates in $at"; }
}
