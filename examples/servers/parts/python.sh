# A Python with a Kafka client that shares no code with ours, for the tests that let others read what we write.

PYTHON_CLIENT=(aiokafka==0.14.0 async-timeout==5.0.1 cramjam==2.14.0 packaging==26.4 typing_extensions==4.16.0)

# Makes it in the state folder, once for each list of versions.
python_prepare() {
    local at=$DIR/python log=$DIR/python.log
    [ "$(cat "$at/made" 2>/dev/null)" != "${PYTHON_CLIENT[*]}" ] || return 0
    need python3 python3
    need venv python3-venv
    say "fetching a Kafka client for Python"
    rm -rf -- "$at"
    { python3 -m venv "$at" && "$at/bin/pip" install -q --no-deps --disable-pip-version-check "${PYTHON_CLIENT[@]}" &&
        "$at/bin/python" -c 'import aiokafka, cramjam'; } >"$log" 2>&1 ||
        { tail -n 10 "$log" >&2; fail "the Kafka client for Python can't be had; see $log"; }
    echo "${PYTHON_CLIENT[*]}" >"$at/made"
}

python_env() { echo "export PANDAFLOW_TEST_PYTHON='$DIR/python/bin/python'"; }
